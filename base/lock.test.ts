import { mkdtempDisposableSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lockFolder } from './lock.ts';
import { identityOf } from './process.ts';

const testFolder = () => mkdtempDisposableSync(join(tmpdir(), 'wasmlet-lock-'));

describe('the lock on a folder', () => {
  test('is given to one of many that ask at once', async () => {
    using folder = testFolder();
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => lockFolder(folder.path, 'supervisor')));
    const held = results.filter((result) => result.status === 'fulfilled');
    expect(held.length).toBeLessThanOrEqual(1);
    for (const { value } of held) await value[Symbol.asyncDispose]();
    await using again = await lockFolder(folder.path, 'supervisor');
    expect(again).toBeDefined();
  });

  test('is refused while another holds it, naming the process', async () => {
    using folder = testFolder();
    await using lock = await lockFolder(folder.path, 'supervisor');
    expect(lock.isHeld()).toBe(true);
    await expect(lockFolder(folder.path, 'supervisor')).rejects.toMatchObject({
      code: 'AlreadyExists',
      message: expect.stringContaining(`process ${process.pid}`) as string,
    });
  });

  test('is free when its holder is gone without a word, or its pid is used by another process', async () => {
    using folder = testFolder();
    const own = identityOf(process.pid);
    writeFileSync(join(folder.path, 'supervisor-aa.lock'), JSON.stringify({ ...own, startTime: '1' }));
    writeFileSync(join(folder.path, 'supervisor-bb.lock'), JSON.stringify({ ...own, bootId: 'before' }));
    writeFileSync(join(folder.path, 'supervisor-cc.lock'), '{"pid":');
    await using _lock = await lockFolder(folder.path, 'supervisor');
    expect(readdirSync(folder.path)).toHaveLength(1);
  });

  test('is for one kind of process', async () => {
    using folder = testFolder();
    await using _supervisor = await lockFolder(folder.path, 'supervisor');
    await using _agent = await lockFolder(folder.path, 'agent');
    await expect(lockFolder(folder.path, 'agent')).rejects.toThrow(
      /^an agent or CRI server \(process \d+\) runs already/,
    );
  });

  test('leaves nothing behind', async () => {
    using folder = testFolder();
    await (await lockFolder(folder.path, 'supervisor'))[Symbol.asyncDispose]();
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

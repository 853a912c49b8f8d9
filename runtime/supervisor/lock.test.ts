import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../test-folder.ts';
import { identityOf } from './identity.ts';
import { lockRoot } from './lock.ts';

describe('the lock on a root folder', () => {
  test('is given to one of many that ask at once', async () => {
    using folder = testFolder();
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => lockRoot(folder.path)));
    const held = results.filter((result) => result.status === 'fulfilled');
    expect(held.length).toBeLessThanOrEqual(1);
    for (const { value } of held) await value[Symbol.asyncDispose]();
    await using again = await lockRoot(folder.path);
    expect(again).toBeDefined();
  });

  test('is refused while another holds it, naming the process', async () => {
    using folder = testFolder();
    await using lock = await lockRoot(folder.path);
    expect(lock.isHeld()).toBe(true);
    await expect(lockRoot(folder.path)).rejects.toMatchObject({
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
    await using _lock = await lockRoot(folder.path);
    expect(readdirSync(folder.path)).toHaveLength(1);
  });

  test('leaves nothing behind', async () => {
    using folder = testFolder();
    await (await lockRoot(folder.path))[Symbol.asyncDispose]();
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

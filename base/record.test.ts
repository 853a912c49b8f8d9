import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseRecord, readRecord, writeFileAtomic, writeRecord, type RecordType } from './record.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wasmlet-record-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const pet: RecordType<{ name: string; legs: number }> = {
  kind: 'Pet',
  version: 2,
  schema: z.strictObject({ name: z.string(), legs: z.number() }),
  upgrade: (body, from) => ({ ...(body as object), legs: from === 1 ? 4 : 0 }),
};

describe('records', () => {
  test('come back as they were written', async () => {
    const path = join(folder, 'pet.json');
    await writeRecord(path, pet, { name: 'Ä', legs: 3 });
    expect(await readRecord(path, pet)).toEqual({ name: 'Ä', legs: 3 });
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ kind: 'Pet', version: 2 });
  });

  test('that do not exist are undefined', async () => {
    expect(await readRecord(join(folder, 'none.json'), pet)).toBeUndefined();
  });

  test('that a power cut has left empty are undefined', async () => {
    const path = join(folder, 'pet.json');
    await writeFile(path, '');
    expect(await readRecord(path, pet)).toBeUndefined();
  });

  test('of an older version are brought up to date', () => {
    expect(parseRecord('{"kind":"Pet","version":1,"body":{"name":"a"}}', pet, 'p')).toEqual({ name: 'a', legs: 4 });
  });

  test.each([
    ['{"kind":"Pet","vers', 'not JSON'],
    ['null', 'not a Pet record'],
    ['{"kind":"Car","version":1,"body":{}}', 'not a Pet record'],
    ['{"kind":"Pet","body":{}}', 'Pet version undefined, but this release reads up to 2'],
    ['{"kind":"Pet","version":3,"body":{}}', 'Pet version 3, but this release reads up to 2'],
    ['{"kind":"Pet","version":2,"body":{"name":"a"}}', 'malformed Pet'],
  ])('that cannot be read say which and what to do: %s', (text, why) => {
    expect(() => parseRecord(text, pet, '/state/pet.json')).toThrow(
      expect.objectContaining({
        code: 'InvalidRecord',
        message: `/state/pet.json: ${why}; move it away to start without it`,
      }) as Error,
    );
  });

  test('of an older version that nothing upgrades are refused', () => {
    const { upgrade: _, ...withoutUpgrade } = pet;
    expect(() => parseRecord('{"kind":"Pet","version":1,"body":{}}', withoutUpgrade, 'p')).toThrow(
      'Pet version 1 is no longer read',
    );
  });
});

describe('writeFileAtomic', () => {
  test('replaces a file, with the mode asked for, and leaves no other', async () => {
    const path = join(folder, 'f');
    await writeFile(path, 'old', { mode: 0o644 });
    await writeFileAtomic(path, 'new');
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await writeFileAtomic(path, Uint8Array.of(1, 2), { mode: 0o640 });
    expect([...(await readFile(path))]).toEqual([1, 2]);
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(folder)).toEqual(['f']);
  });

  test('replaces a file alike where the disk is not waited for', async () => {
    const path = join(folder, 'f');
    await writeFile(path, 'old');
    await writeFileAtomic(path, 'new', { durable: false });
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readdir(folder)).toEqual(['f']);
  });

  test('leaves no temporary file when it fails', async () => {
    await mkdir(join(folder, 'taken', 'by-a-folder'), { recursive: true });
    await expect(writeFileAtomic(join(folder, 'taken'), 'x')).rejects.toMatchObject({ code: 'EISDIR' });
    expect(await readdir(folder)).toEqual(['taken']);
  });

  test('fails where there is no folder', async () => {
    await expect(writeFileAtomic(join(folder, 'no', 'f'), 'x')).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

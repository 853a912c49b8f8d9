import { afterEach, beforeEach, expect, test } from 'vitest';
import { FILETYPE } from './abi.ts';
import { Sandbox, TestGuest } from './test-guest.ts';

const OUT = 512;
const SUBSCRIPTION = 2048;

let sandbox: Sandbox;
let guest: TestGuest;
beforeEach(() => {
  sandbox = new Sandbox();
  guest = new TestGuest({ root: sandbox.folder('root') });
  guest.create('file', 'content');
});
afterEach(() => {
  guest[Symbol.dispose]();
  sandbox[Symbol.dispose]();
});

/** Calls a function as a module does that imports wasi_unstable. */
function old(name: string, ...args: (number | bigint)[]): number | Promise<number> {
  const call = guest.wasi.imports.wasi_unstable[name]?.call as (...args: (number | bigint)[]) => number;
  return call(...args);
}

test('snapshot 0 has the same functions', () => {
  const { wasi_unstable: before, wasi_snapshot_preview1: now } = guest.wasi.imports;
  expect(Object.keys(before).sort()).toEqual(Object.keys(now).sort());
});

test('whence counts from the current position', () => {
  const fd = guest.mustOpen('file');
  expect(old('fd_seek', fd, 2n, 2, OUT)).toBe(0);
  expect(guest.u64()).toBe(2n);
  expect(old('fd_seek', fd, 1n, 0, OUT)).toBe(0);
  expect(guest.u64()).toBe(3n);
  expect(old('fd_seek', fd, -1n, 1, OUT)).toBe(0);
  expect(guest.u64()).toBe(6n);
  expect(old('fd_seek', fd, 0n, 3, OUT)).toBe(28);
});

test('a filestat has 56 bytes, its links 32 bits', () => {
  guest.link('file', 'twin');
  guest.bytes.fill(0xff, OUT, OUT + 64);
  expect(old('path_filestat_get', 3, 0, ...guest.put('file'), OUT)).toBe(0);
  const shown = [guest.bytes[OUT + 16], guest.u32(OUT + 20), guest.u64(OUT + 24), guest.u64(OUT + 56)];
  expect(shown).toEqual([FILETYPE.file, 2, 7n, 0xffff_ffff_ffff_ffffn]);
  expect(old('fd_filestat_get', guest.mustOpen('file'), 4096)).toBe(0);
  expect(guest.u32(4096 + 20)).toBe(2);
});

test('a clock’s subscription has an identifier of its own', async () => {
  guest.memory.setBigUint64(SUBSCRIPTION, 42n, true);
  guest.memory.setBigUint64(SUBSCRIPTION + 16, 7n, true);
  guest.memory.setUint32(SUBSCRIPTION + 24, 1, true);
  guest.memory.setBigUint64(SUBSCRIPTION + 32, 5_000_000n, true);
  const before = process.hrtime.bigint();
  expect(await old('poll_oneoff', SUBSCRIPTION, 4096, 1, OUT)).toBe(0);
  expect(process.hrtime.bigint() - before).toBeGreaterThanOrEqual(5_000_000n);
  expect([guest.u32(), guest.u64(4096)]).toEqual([1, 42n]);
});

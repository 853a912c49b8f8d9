import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { buildGuest, whyNoGuest } from '../../test/support/guests.ts';
import { wat } from '../engine/v8/test-wat.ts';
import { decodeModule } from './decode.ts';
import { encodeModule, u32 } from './encode.ts';
import { InstructionReader } from './instructions.ts';
import { LIMITS } from './limits.ts';
import { opcodeByName } from './opcodes.ts';
import { originalOffset, PRIVATE, rewriteForPreemption } from './rewrite.ts';
import { rewrittenGuest } from './rewrite/test-guest.ts';

/** What the yield hook throws to get a guest out of its endless loop. */
class Enough extends Error {}

/** Calls `run` of a guest that never ends, and counts its yields until it is thrown out. */
async function preempted(text: string): Promise<number> {
  const limit = 50;
  let left = limit;
  const guest = await rewrittenGuest(wat(text), {
    yield: () => {
      if (--left === 0) throw new Enough();
    },
  });
  guest.word[0] = 1;
  expect(() => guest.exports['run']?.()).toThrow(Enough);
  return guest.yields();
}

describe('a guest that never ends comes by a check', () => {
  test.each([
    ['in a loop', '(module (func (export "run") (loop (br 0))))'],
    [
      'in a loop that a branch table leads back to',
      '(module (func (export "run") (loop (br_table 0 0 (i32.const 0)))))',
    ],
    ['in tail calls of itself', '(module (func $f (export "run") return_call $f))'],
    ['in tail calls through others', '(module (func $f (export "run") return_call $g) (func $g return_call $f))'],
    [
      'in tail calls through a table',
      `(module (type $t (func)) (table funcref (elem $f)) (elem declare func $f)
        (func $f (export "run") (return_call_indirect (type $t) (i32.const 0))))`,
    ],
    [
      'in recursion as wide as deep',
      `(module (func $f (param i32) (if (local.get 0) (then
          (call $f (i32.sub (local.get 0) (i32.const 1))) (call $f (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "run") (call $f (i32.const 1000))))`,
    ],
    [
      'in recursion through a table',
      `(module (type $t (func (param i32))) (table funcref (elem $f))
        (func $f (param i32) (if (local.get 0) (then
          (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))
          (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))))
        (func (export "run") (call $f (i32.const 1000))))`,
    ],
    [
      'in calls that double at each of sixty functions',
      `(module ${Array.from({ length: 60 }, (_, n) => `(func $f${n} (call $f${n + 1}) (call $f${n + 1}))`).join('')}
        (func $f60) (func (export "run") (call $f0)))`,
    ],
    [
      'in a loop of thrown exceptions',
      `(module (tag $e) (func $throw (throw $e))
        (func (export "run") (loop (try (do (call $throw)) (catch $e (br 1))))))`,
    ],
    ['in its start function', '(module (func $f (loop (br 0))) (start $f) (func (export "run") (call $f)))'],
  ])('%s', async (_, text) => {
    expect(await preempted(text)).toBe(50);
  });
});

test('a guest goes on after a yield with all that it had, and yields only while it is asked to', async () => {
  const guest = await rewrittenGuest(
    wat(`(module (func $fib (export "fib") (param i32) (result i32)
      (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0)) (else
        (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2))))))))`),
    { yield: (word) => (word[0] = 0) },
  );
  expect(guest.exports['fib']?.(20)).toBe(6765);
  expect(guest.yields()).toBe(0);
  guest.word[0] = 1;
  expect(guest.exports['fib']?.(20)).toBe(6765);
  expect(guest.yields()).toBe(1);
});

test('straight code without an end in sight gets checks as well', async () => {
  const guest = await rewrittenGuest(wat(`(module (func (export "run") ${'nop '.repeat(100_000)}))`));
  guest.word[0] = 1;
  guest.exports['run']?.();
  expect(guest.yields()).toBe(10);
});

test('a small function without loops that only such ones call costs nothing', async () => {
  const guest = await rewrittenGuest(
    wat(`(module (func $leaf (result i32) (i32.const 1)) (func $mid (result i32) (call $leaf))
      (func (export "run") (drop (call $mid)) (drop (call $mid))))`),
  );
  guest.word[0] = 1;
  guest.exports['run']?.();
  expect(guest.yields()).toBe(0);
});

test('what is suspended at a check is resumed by its promise', async () => {
  const rewritten = rewriteForPreemption(wat('(module (func (export "run") (result i32) (loop) (i32.const 7)))'));
  if (!rewritten.shareable) throw new Error(rewritten.reason);
  const { HOOKS, HOOKS_MODULE, hookImports } = await import('./rewrite.ts');
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(rewritten.bytes));
  const word = new Int32Array((exports[PRIVATE.epoch] as { buffer: SharedArrayBuffer }).buffer);
  const resume = Promise.withResolvers<undefined>();
  const hooked = await WebAssembly.instantiate(
    new WebAssembly.Module(HOOKS_MODULE),
    hookImports({ yield: new WebAssembly.Suspending(() => resume.promise), grow: () => undefined }),
  );
  (exports[PRIVATE.hooks] as { set(index: number, value: unknown): void }).set(HOOKS.yield, hooked.exports['yield']);
  word[0] = 1;
  let ended = false;
  const running = WebAssembly.promising(exports['run'])().finally(() => (ended = true));
  await new Promise(setImmediate);
  expect(ended).toBe(false);
  resume.resolve(undefined);
  expect(await running).toBe(7);
});

describe('growth', () => {
  const text = `(module (memory (export "memory") 1 4) (table $t 2 5 funcref)
    (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "table") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0))))`;
  const guestText = text.replace('(memory (export "memory") 1 4)', '(memory 1 4)');

  test('is asked for before it is done, and can be refused by ending the guest', async () => {
    const asked: number[][] = [];
    const guest = await rewrittenGuest(wat(guestText), {
      grow: (...question) => {
        asked.push(question);
        if (asked.length === 3) throw new Enough();
      },
    });
    expect(guest.exports['memory']?.(2)).toBe(1);
    expect(guest.exports['table']?.(3)).toBe(2);
    expect(() => guest.exports['memory']?.(1)).toThrow(Enough);
    expect(asked).toEqual([
      [0, 0, 2],
      [1, 0, 3],
      [0, 0, 1],
    ]);
    const memory = guest.exports[PRIVATE.memory(0)] as unknown as { buffer: ArrayBuffer };
    expect(memory.buffer.byteLength).toBe(3 * 65_536);
  });

  test('beyond the own maximum gives -1, and nobody is asked', async () => {
    const asked: number[][] = [];
    const guest = await rewrittenGuest(wat(guestText), { grow: (...question) => asked.push(question) });
    expect(guest.exports['memory']?.(4)).toBe(-1);
    expect(guest.exports['memory']?.(-1)).toBe(-1);
    expect(guest.exports['table']?.(4)).toBe(-1);
    expect(asked).toEqual([]);
  });
});

describe('bulk instructions of any length', () => {
  const MIB = 1 << 20;
  const text = `(module (memory (export "memory") 128)
    (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
    (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2))))`;

  async function memoryGuest() {
    const guest = await rewrittenGuest(wat(text));
    guest.word[0] = 1;
    const memory = guest.exports['memory'] as unknown as { buffer: ArrayBuffer };
    return { guest, bytes: new Uint8Array(memory.buffer) };
  }

  test('yield on the way, and fill what they should', async () => {
    const { guest, bytes } = await memoryGuest();
    guest.exports['fill']?.(3, 0xab, 5 * MIB + 1);
    expect(guest.yields()).toBe(5);
    expect(bytes.indexOf(0xab)).toBe(3);
    expect(bytes.lastIndexOf(0xab)).toBe(5 * MIB + 3);
    expect(bytes.subarray(3, 5 * MIB + 4).every((byte) => byte === 0xab)).toBe(true);
  });

  test.each([
    ['forwards', 17, MIB + 29, 4 * MIB + 3],
    ['backwards', 2 * MIB + 5, 40, 5 * MIB + 100],
    ['over themselves', 1000, 1000, 3 * MIB],
    ['beside one another', 4 * MIB, 0, 3 * MIB + 7],
  ])('copy %s as copyWithin does', async (_, target, source, length) => {
    const { guest, bytes } = await memoryGuest();
    for (let index = 0; index < bytes.length; index += 97) bytes[index] = index % 251;
    const expected = bytes.slice().copyWithin(target, source, source + length);
    guest.exports['copy']?.(target, source, length);
    expect(guest.yields()).toBeGreaterThan(1);
    expect(Buffer.compare(bytes, expected)).toBe(0);
  });

  test('have addresses of 64 bits, and copy between memories of both kinds', async () => {
    const guest = await rewrittenGuest(
      wat(`(module (memory $wide (export "wide") i64 128) (memory $narrow (export "narrow") 128)
        (func (export "fill") (memory.fill $wide (i64.const 5) (i32.const 9) (i64.const ${3 * MIB})))
        (func (export "copy") (memory.copy $wide $wide (i64.const ${2 * MIB}) (i64.const 1) (i64.const ${4 * MIB})))
        (func (export "narrow-to-wide") (param i32)
          (memory.copy $wide $narrow (i64.const 7) (i32.const 3) (local.get 0)))
        (func (export "wide-to-narrow") (param i32)
          (memory.copy $narrow $wide (i32.const 3) (i64.const 0) (local.get 0)))
        (func (export "beyond") (memory.fill $wide (i64.const -1) (i32.const 1) (i64.const -1))))`),
    );
    guest.word[0] = 1;
    const bytesOf = (name: string): Uint8Array =>
      new Uint8Array((guest.exports[name] as unknown as { buffer: ArrayBuffer }).buffer);
    const [wide, narrow] = [bytesOf('wide'), bytesOf('narrow')];
    guest.exports['fill']?.();
    const expected = wide.slice();
    expect([wide.indexOf(9), wide.lastIndexOf(9)]).toEqual([5, 3 * MIB + 4]);
    guest.exports['copy']?.();
    expect(Buffer.compare(wide, expected.copyWithin(2 * MIB, 1, 1 + 4 * MIB))).toBe(0);
    guest.exports['wide-to-narrow']?.(6 * MIB);
    expect(Buffer.compare(narrow.subarray(3, 6 * MIB + 3), wide.subarray(0, 6 * MIB))).toBe(0);
    wide.fill(0);
    guest.exports['narrow-to-wide']?.(2 * MIB);
    expect(Buffer.compare(wide.subarray(7, 2 * MIB + 7), narrow.subarray(3, 2 * MIB + 3))).toBe(0);
    expect(guest.yields()).toBe(2 + 3 + 5 + 1);
    expect(() => guest.exports['beyond']?.()).toThrow('memory access out of bounds');
  });

  test('trap before they write, when they would leave the memory', async () => {
    const { guest, bytes } = await memoryGuest();
    expect(() => guest.exports['fill']?.(MIB, 1, 128 * 65_536)).toThrow('memory access out of bounds');
    expect(() => guest.exports['copy']?.(MIB, 2 * MIB, 127 * 65_536)).toThrow('memory access out of bounds');
    expect(() => guest.exports['fill']?.(-1, 1, -1)).toThrow('memory access out of bounds');
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  });
});

test.each([
  ['(module (memory 1 1 shared))', 'shared memory'],
  ['(module (import "a" "m" (memory 1 1 shared)))', 'shared memory'],
  ['(module (memory 1) (func (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))))', 'waits'],
  ['(module (func (export "wasmlet:start")))', "wasmlet's own"],
])('%s has a host of its own: %s', (text, reason) => {
  const rewritten = rewriteForPreemption(wat(text));
  expect(rewritten).toMatchObject({ shareable: false, reason: expect.stringContaining(reason) as string });
});

test('so has one with garbage collection, which is refused by name', () => {
  expect(rewriteForPreemption(encodeModule([[1, [1, 0x5f, 0]]]))).toEqual({
    shareable: false,
    reason: 'the module cannot be rewritten: garbage collection (struct type) is not supported',
  });
});

test('so has one with a function that is as long as V8 allows: there is no room for checks', () => {
  const body = Buffer.alloc(LIMITS.functionBytes, opcodeByName('nop').code);
  body[0] = 0;
  body[body.length - 1] = opcodeByName('end').code;
  const bytes = encodeModule([
    [1, [1, 0x60, 0, 0]],
    [3, [1, 0]],
    [10, Buffer.concat([Buffer.from([1, ...u32(body.length)]), body])],
  ]);
  expect(WebAssembly.validate(bytes)).toBe(true);
  expect(rewriteForPreemption(bytes)).toMatchObject({
    shareable: false,
    reason: expect.stringContaining("V8's limits") as string,
  });
});

test('a module that is invalid stays refused, also where the pass would make it valid', () => {
  // The memory that an invalid module names by the number that the epoch's memory will have.
  const bytes = wat('(module (memory 1) (memory 1) (func (drop (i32.load 1 (i32.const 0)))))');
  const invalid = Uint8Array.from(bytes);
  const memories = decodeModule(bytes).sections.find(({ id }) => id === 5)!;
  invalid[memories.content.start] = 1;
  invalid[memories.start + 1] = memories.content.end - memories.content.start - 2;
  const shorter = Uint8Array.from([
    ...invalid.subarray(0, memories.content.end - 2),
    ...invalid.subarray(memories.content.end),
  ]);
  expect(decodeModule(shorter).memories.length).toBe(1);
  expect(() => rewriteForPreemption(shorter)).toThrow('not a valid Wasm module');
});

const GUESTS = ['hello-c', 'hello-go', 'hello-as', 'steps', 'web-c', 'tools-go'] as const;
/** A cold cache has Go build its standard library. */
const BUILD_TIMEOUT_MS = 300_000;

test.each(GUESTS)(
  '%s stays valid, keeps its imports and exports, and each of its instructions is found again',
  async (name) => {
    if ((await whyNoGuest(name)) !== undefined) return;
    const bytes = new Uint8Array(await readFile(await buildGuest(name)));
    const rewritten = rewriteForPreemption(bytes);
    if (!rewritten.shareable) throw new Error(rewritten.reason);
    expect(WebAssembly.validate(rewritten.bytes)).toBe(true);
    const before = decodeModule(bytes);
    const after = decodeModule(rewritten.bytes);
    const names = (list: readonly { name: string }[]): string[] => list.map(({ name }) => name);
    expect(names(after.imports)).toEqual(names(before.imports));
    expect(names(after.exports).slice(0, before.exports.length)).toEqual(names(before.exports));
    const body = after.bodies.findLast((one, index) => index < before.bodies.length && one.end - one.codeStart > 100);
    const reader = new InstructionReader(rewritten.bytes, body!.codeStart, body!.end);
    const original = before.bodies[after.bodies.indexOf(body!)]!;
    const found: (number | undefined)[] = [];
    while (!reader.atEnd) {
      reader.next();
      found.push(originalOffset(rewritten.bytes, reader.start));
    }
    const expected: number[] = [];
    const originals = new InstructionReader(bytes, original.codeStart, original.end);
    while (!originals.atEnd) {
      originals.next();
      expected.push(originals.start);
    }
    expect([...new Set(found)]).toEqual(expected);
  },
  BUILD_TIMEOUT_MS,
);

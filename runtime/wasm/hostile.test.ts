import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildGuest } from '../../test/support/guests.ts';
import { wat } from '../engine/v8/test-wat.ts';
import { encodeModule, u32 } from './encode.ts';
import { ModuleError } from './module-error.ts';
import { rewriteForPreemption } from './rewrite.ts';
import { mutated, randomFrom } from './test-random.ts';
import { loadModule } from './validate.ts';

/** How many mutated modules are tried; set WASMLET_FUZZ_MODULES for a longer run, and WASMLET_FUZZ_SEED for others. */
const MODULES = Number(process.env['WASMLET_FUZZ_MODULES'] ?? 3_000);
const SEED = Number(process.env['WASMLET_FUZZ_SEED'] ?? 1);
const FUZZ_TIMEOUT_MS = 600_000;

const VARIED = `(module
  (type $t (func (param i32) (result i32)))
  (import "a" "f" (func $f (type $t)))
  (memory 1 3) (memory i64 1) (table 4 8 funcref) (table 2 externref) (tag $e (param i32))
  (global $g (mut i64) (i64.const -7)) (global f64 (f64.const 1.5))
  (export "m" (memory 0)) (export "g" (global $g))
  (elem (i32.const 0) $f $h) (elem declare func $h) (data (i32.const 8) "abcdef") (data $d "xyz")
  (func $h (type $t) (local i64 v128)
    (block $b (result i32) (loop $l (br_if $l (i32.eqz (local.get 0))))
      (drop (i32.add (i32.load offset=4 (local.get 0)) (i32.const 70000)))
      (drop (call_indirect (type $t) (local.get 0) (i32.const 1)))
      (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)) (memory.copy (i32.const 0) (i32.const 1) (i32.const 2))
      (drop (memory.grow (i32.const 1))) (local.set 2 (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (local.get 2) (local.get 2)))
      (try (do (throw $e (i32.const 1))) (catch $e (drop)) (catch_all))
      (br_table $b $b $b (i32.const 5) (local.get 0))))
  (func (export "start") (drop (table.grow 1 (ref.null extern) (i32.const 1))) (return_call $k))
  (func $k (if (i64.eqz (global.get $g)) (then nop) (else (drop (ref.func $h)))))
  (start $k))`;

/** 'valid', or the fault. Anything but a ModuleError is a fault of ours and is thrown. */
function verdict(bytes: Uint8Array<ArrayBuffer>): string {
  try {
    loadModule(bytes);
    return 'valid';
  } catch (error) {
    if (error instanceof ModuleError) return error.fault;
    throw error;
  }
}

const BUILT = ['hello-wat', 'hello-c', 'hello-as'] as const;
const modules: Uint8Array[] = [];

beforeAll(async () => {
  modules.push(wat(VARIED));
  for (const name of BUILT) modules.push(new Uint8Array(await readFile(await buildGuest(name))));
}, FUZZ_TIMEOUT_MS);

test(
  'mutated modules are valid for us when they are for V8, but for what is refused by name; and are rewritten then',
  () => {
    const counts: Record<string, number> = {};
    for (let index = 0; index < MODULES; index++) {
      const random = randomFrom(SEED * 1_000_003 + index);
      // Most are of the small module, where a mutation hits what matters.
      const bytes = mutated(modules[index % 8 < 5 ? 0 : (index % 8) - 4] ?? Uint8Array.of(), random);
      const ours = verdict(bytes);
      counts[ours] = (counts[ours] ?? 0) + 1;
      const accepted = WebAssembly.validate(bytes);
      if (ours === 'unsupported') continue;
      expect(ours === 'valid', `mutation ${index} of seed ${SEED}: V8 says ${accepted}, we say ${ours}`).toBe(accepted);
      if (!accepted) continue;
      const rewritten = rewriteForPreemption(bytes);
      if (rewritten.shareable) expect(WebAssembly.validate(rewritten.bytes), `mutation ${index}`).toBe(true);
    }
    expect(Object.keys(counts)).toEqual(expect.arrayContaining(['valid', 'malformed', 'invalid']));
  },
  FUZZ_TIMEOUT_MS,
);

test('every truncation of a module is refused, and none takes more than its share of time', () => {
  const [bytes = Uint8Array.of()] = modules;
  for (let length = 0; length < bytes.length; length++) {
    const cut = Uint8Array.from(bytes.subarray(0, length));
    expect(verdict(cut) === 'valid', `the first ${length} bytes`).toBe(WebAssembly.validate(cut));
  }
});

describe('what would take time or memory without measure is refused at once', () => {
  const HUGE = [0xff, 0xff, 0xff, 0xff, 0x0f];
  const body = (...code: number[]): Uint8Array<ArrayBuffer> =>
    encodeModule([
      [1, [1, 0x60, 0, 0]],
      [3, [1, 0]],
      [10, [1, ...u32(code.length), ...code]],
    ]);

  test.each([
    ['2^32 types', encodeModule([[1, HUGE]])],
    ['2^32 imports', encodeModule([[2, HUGE]])],
    ['2^32 functions', encodeModule([[3, HUGE]])],
    ['2^32 bodies', encodeModule([[10, HUGE]])],
    ['2^32 elements', encodeModule([[9, [1, 1, 0, ...HUGE]]])],
    ['a name of 4 GiB', encodeModule([[0, HUGE]])],
    [
      'a body of 4 GiB',
      encodeModule([
        [1, [1, 0x60, 0, 0]],
        [3, [1, 0]],
        [10, [1, ...HUGE]],
      ]),
    ],
    ['a million locals', body(1, 0xc0, 0x84, 0x3d, 0x7f, 0x0b)],
    ['2^32 locals', body(1, ...HUGE, 0x7f, 0x0b)],
    ['a branch table of 2^31', body(0, 0x41, 0, 0x0e, 0x80, 0x80, 0x80, 0x80, 0x08, 0, 0x0b)],
    ['2^32 catch clauses', body(0, 0x1f, 0x40, ...HUGE, 0x0b, 0x0b)],
    ['1,001 parameters', encodeModule([[1, [1, 0x60, ...u32(1001), ...Array.from({ length: 1001 }, () => 0x7f), 0]]])],
    ['65,521 labels', body(0, 0x41, 0, 0x0e, ...u32(65_521), ...Array.from({ length: 65_522 }, () => 0), 0x0b)],
  ])('%s', (_, bytes) => {
    const begun = performance.now();
    expect(verdict(bytes)).toBe('malformed');
    expect(WebAssembly.validate(bytes)).toBe(false);
    expect(performance.now() - begun).toBeLessThan(1_000);
  });

  test('20,000 functions with 50,000 locals each take no more than their bytes', () => {
    const functions = 20_000;
    const one = [1, ...u32(50_000), 0x7f, 0x20, ...u32(49_999), 0x1a, 0x0b];
    const bytes = encodeModule([
      [1, [1, 0x60, 0, 0]],
      [3, Buffer.concat([Buffer.from(u32(functions)), Buffer.alloc(functions)])],
      [10, Buffer.from(u32(functions).concat(Array.from({ length: functions }, () => [one.length, ...one]).flat()))],
    ]);
    const begun = process.cpuUsage();
    expect(verdict(bytes)).toBe('valid');
    expect(process.cpuUsage(begun).user).toBeLessThan(2_000_000);
  });

  test('a cycle of 20,000 functions is followed without recursion', () => {
    const functions = 20_000;
    const callNext = (index: number): number[] => {
      const code = [0, 0x10, ...u32((index + 1) % functions), 0x0b];
      return [...u32(code.length), ...code];
    };
    const code = Array.from({ length: functions }, (_, index) => callNext(index)).flat();
    const bytes = encodeModule([
      [1, [1, 0x60, 0, 0]],
      [3, Buffer.concat([Buffer.from(u32(functions)), Buffer.alloc(functions)])],
      [10, Buffer.concat([Buffer.from(u32(functions)), Buffer.from(code)])],
    ]);
    expect(rewriteForPreemption(bytes)).toMatchObject({ shareable: true });
  });
});

import { describe, expect, test } from 'vitest';
import { encodeModule, encodeName, u32 } from '../../wasm/encode.ts';
import { mutated, randomFrom } from '../../wasm/test-random.ts';
import { wat } from '../v8/test-wat.ts';
import { interpreterEngine } from './engine.ts';

// What the decoder and the validator make of hostile bytes: runtime/wasm/hostile.test.ts. Here, what the engine does.

/** For a longer run. */
const MODULES = Number(process.env['WASMLET_TEST_HOSTILE'] ?? 1_000);

/** A module with one function, exported as `f`. */
const moduleOf = (body: readonly number[], ...others: readonly (readonly [number, number[]])[]) =>
  encodeModule(
    [
      [1, [1, 0x60, 0, 0]] as const,
      [3, [1, 0]] as const,
      [7, [1, ...encodeName('f'), 0, 0]] as const,
      [10, Buffer.from([1, ...u32(body.length)].concat(body))] as const,
      ...others,
    ].toSorted(([a], [b]) => a - b),
  );

/** How a module ends that is compiled, instantiated and called. */
async function fate(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  try {
    const guest = await (await interpreterEngine.compile(bytes)).instantiate({});
    await guest.run('f');
    return 'ran';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('the interpreter ends at once', () => {
  test.each([
    ['a million locals', moduleOf([1, 0xc0, 0x84, 0x3d, 0x7f, 0x0b]), /not a valid Wasm module: .*locals/],
    [
      'a branch table of 2^31',
      moduleOf([0, 0x41, 0, 0x0e, 0x80, 0x80, 0x80, 0x80, 0x08, 0, 0x0b]),
      /not a valid Wasm module/,
    ],
    [
      'a table of 2^32 - 1 elements',
      moduleOf([0, 0x0b], [4, [1, 0x70, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]]),
      /cannot be instantiated: a table of 4294967295 elements/,
    ],
    [
      'a memory of 2^48 pages',
      moduleOf([0, 0x0b], [5, [1, 4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40]]),
      /cannot be instantiated|not a valid Wasm module/,
    ],
    ['a function of 50,000 locals', moduleOf([1, ...u32(50_000), 0x7f, 0x0b]), /function .* cannot be run/],
  ])('%s', async (_, bytes, message) => {
    expect(await fate(bytes)).toMatch(message);
  });
});

test('blocks nested as deep as is allowed run, and those beyond are refused', async () => {
  const nested = (depth: number): Uint8Array<ArrayBuffer> =>
    moduleOf([
      0,
      ...Array.from({ length: depth }, () => [0x02, 0x40]).flat(),
      ...Array.from({ length: depth + 1 }, () => 0x0b),
    ]);
  expect(await fate(nested(90_000))).toBe('ran');
  expect(await fate(nested(200_000))).toMatch(/nesting of 100000 blocks is not supported/);
});

test(
  'malformed, invalid and truncated modules are refused as such, and others are compiled',
  { timeout: 3_600_000 },
  async () => {
    const original = wat(`(module (memory 1) (table 2 funcref) (elem (i32.const 0) $f) (data (i32.const 0) "abc")
      (global (mut i64) (i64.const 1))
      (func $f (export "f") (local i32) (loop $l (br_if $l (i32.load (local.get 0)))) (call_indirect (i32.const 1))))`);
    const fates = new Set<string>();
    for (let seed = 0; seed < MODULES; seed++) {
      const bytes = mutated(original, randomFrom(seed));
      await interpreterEngine.compile(bytes).then(
        () => fates.add('compiled'),
        (error: unknown) => {
          const { code, message } = error as { code?: string; message: string };
          fates.add(code === 'InvalidArgument' ? 'refused' : `seed ${seed}: ${message}`);
        },
      );
    }
    expect([...fates].toSorted()).toEqual(['compiled', 'refused']);
  },
);

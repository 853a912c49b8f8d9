import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { buildGuest, whyNoGuest } from '../../test/support/guests.ts';
import { wat } from '../engine/v8/test-wat.ts';
import { encodeModule, u32 } from './encode.ts';
import { ModuleError } from './module-error.ts';
import { OPCODES } from './opcodes.ts';
import { loadModule } from './validate.ts';
import { RULES } from './validate/rules.ts';

/** A cold cache has Go build its standard library. */
const BUILD_TIMEOUT_MS = 300_000;

test.each(['hello-c', 'hello-go', 'hello-as', 'hello-wat', 'web-c', 'posix', 'tools-go'] as const)(
  '%s is valid',
  async (name) => {
    if ((await whyNoGuest(name)) !== undefined) return;
    expect(loadModule(new Uint8Array(await readFile(await buildGuest(name)))).bodies).not.toEqual([]);
  },
  BUILD_TIMEOUT_MS,
);

/** A module with one function `[] -> []` of this body, a mutable i32 global, a table and a memory. */
function moduleOf(...body: number[]): Uint8Array<ArrayBuffer> {
  return encodeModule([
    [1, [1, 0x60, 0, 0]],
    [3, [1, 0]],
    [4, [1, 0x70, 0, 1]],
    [5, [1, 0, 1]],
    [6, [1, 0x7f, 0, 0x41, 0, 0x0b]],
    [10, [1, ...u32(body.length + 1), 0, ...body]],
  ]);
}

function ruleOf(bytes: Uint8Array): string {
  try {
    loadModule(bytes);
    return 'none';
  } catch (error) {
    if (error instanceof ModuleError) return `${error.fault}: ${error.rule}`;
    throw error;
  }
}

// What the W3C suite (test/spec) says of each rule is tried there; here is one of each, with its offset.
test.each([
  ['type mismatch', [0x41, 0, 0x0b]],
  ['type mismatch', [0x43, 0, 0, 0, 0, 0x45, 0x1a, 0x0b]],
  ['unknown local', [0x20, 0, 0x1a, 0x0b]],
  ['unknown global', [0x23, 1, 0x1a, 0x0b]],
  ['immutable global', [0x41, 0, 0x24, 0, 0x0b]],
  ['unknown function', [0x10, 1, 0x0b]],
  ['unknown table', [0x41, 0, 0x25, 1, 0x1a, 0x0b]],
  ['unknown memory', [0x3f, 1, 0x1a, 0x0b]],
  ['unknown label', [0x0c, 1, 0x0b]],
  ['unknown tag', [0x08, 0, 0x0b]],
  ['unknown type', [0x41, 0, 0x11, 1, 0, 0x0b]],
  ['undeclared function reference', [0xd2, 0, 0x1a, 0x0b]],
  ['alignment must not be larger than natural', [0x41, 0, 0x28, 3, 0, 0x1a, 0x0b]],
])('a function with the fault "%s" is refused, by V8 as well', (rule, body) => {
  const bytes = moduleOf(...body);
  expect(ruleOf(bytes)).toBe(`invalid: ${rule}`);
  expect(WebAssembly.validate(bytes)).toBe(false);
});

test('code that is never reached may take operands that are not there', () => {
  expect(ruleOf(moduleOf(0x00, 0x6a, 0x1a, 0x0b))).toBe('none');
  expect(ruleOf(moduleOf(0x00, 0x6a, 0x45, 0x0b))).toBe('invalid: type mismatch');
});

test('an error names the rule, what was found and the offset in the module', () => {
  const bytes = wat('(module (memory 1) (func (result i64) (i64.const 1)))');
  bytes[bytes.indexOf(0x7e)] = 0x7f;
  expect(() => loadModule(bytes)).toThrow(
    `not a valid Wasm module: type mismatch: expected i32, found i64 (at offset ${bytes.indexOf(0x0b, 24)})`,
  );
});

describe('garbage collection is refused by name:', () => {
  test.each(OPCODES.filter(({ feature }) => feature === 'gc'))('$name', ({ code, name }) => {
    const opcode = code < 0x1000 ? [code] : [Math.floor(code / 0x1000), code % 0x1000];
    expect(ruleOf(moduleOf(...opcode, 0, 0, 0, 0, 0x0b))).toBe(
      `unsupported: garbage collection (${name}) is not supported`,
    );
  });

  test.each([
    ['none', 0x71],
    ['any', 0x6e],
    ['eq', 0x6d],
    ['i31', 0x6c],
    ['struct', 0x6b],
    ['array', 0x6a],
  ])('heap type %s', (name, byte) => {
    const refusal = `unsupported: garbage collection (heap type ${name}) is not supported`;
    expect(ruleOf(moduleOf(0xd0, byte, 0x1a, 0x0b))).toBe(refusal);
    expect(ruleOf(encodeModule([[1, [1, 0x60, 1, byte, 0]]]))).toBe(refusal);
    expect(ruleOf(encodeModule([[1, [1, 0x60, 1, 0x64, byte, 0]]]))).toBe(refusal);
    expect(ruleOf(encodeModule([[4, [1, byte, 0, 1]]]))).toBe(refusal);
  });

  test.each([
    ['struct type', [0x5f, 0]],
    ['array type', [0x5e, 0x7f, 0]],
    ['sub type', [0x50, 0, 0x60, 0, 0]],
    ['final sub type', [0x4f, 0, 0x60, 0, 0]],
  ])('%s, also in a recursive group', (name, type) => {
    const refusal = `unsupported: garbage collection (${name}) is not supported`;
    expect(ruleOf(encodeModule([[1, [1, ...type]]]))).toBe(refusal);
    expect(ruleOf(encodeModule([[1, [1, 0x4e, 2, 0x60, 0, 0, ...type]]]))).toBe(refusal);
  });
});

test('nesting beyond all sense is refused, and what is within it takes no stack of ours', () => {
  const nested = (depth: number): Uint8Array => {
    const body = [
      ...Array.from({ length: depth }, () => [0x02, 0x40]).flat(),
      ...Array.from({ length: depth + 1 }, () => 0x0b),
    ];
    return encodeModule([
      [1, [1, 0x60, 0, 0]],
      [3, [1, 0]],
      [10, Buffer.from([1, ...u32(body.length + 1), 0].concat(body))],
    ]);
  };
  expect(ruleOf(nested(90_000))).toBe('none');
  expect(ruleOf(nested(200_000))).toMatch('unsupported: nesting');
});

test('every instruction that is not of garbage collection has a rule', () => {
  for (const { name, code, signature, feature } of OPCODES) {
    if (feature !== 'gc') expect(signature !== undefined || RULES.has(code), name).toBe(true);
  }
});

import { expect, test } from 'vitest';
import wabtModule from 'wabt';
import { encodeModule, u32 } from './encode.ts';
import { InstructionReader } from './instructions.ts';
import { OPCODES, opcodeByCode, opcodeByName } from './opcodes.ts';
import { ADDRESS, type Immediate, type Opcode, type Signature } from './opcodes/opcode.ts';
import { EXNREF, F32, F64, FUNCREF, I32, I64, V128, type ValueType } from './types.ts';

const wabt = await wabtModule();
const PREFIXED = 0x1000;
const fixed = OPCODES.filter(({ signature, feature }) => signature !== undefined && feature !== 'gc');

const encodeOpcode = ({ code }: Opcode): number[] =>
  code < PREFIXED ? [code] : [Math.floor(code / PREFIXED), ...u32(code % PREFIXED)];

function encodeImmediate(immediate: Immediate, opcode: Opcode): number[] {
  switch (immediate) {
    case 'memarg':
      return [Math.log2(opcode.bytes), 0];
    case 'f32':
      return [0, 0, 0, 0];
    case 'f64':
      return new Array<number>(8).fill(0);
    case 'v128':
    case 'lanes':
      return new Array<number>(16).fill(0);
    case 'lane':
      return [opcode.lanes - 1];
    default:
      return [0];
  }
}

const encodeInstruction = (opcode: Opcode): number[] => [
  ...encodeOpcode(opcode),
  ...opcode.immediates.flatMap((immediate) => encodeImmediate(immediate, opcode)),
];

const concrete = (types: readonly ValueType[]): number[] =>
  types.map((type) => (type === ADDRESS ? I32 : type === FUNCREF ? 0x70 : type === EXNREF ? 0x69 : type));

/** A module whose only function gives the instruction its parameters and returns what it gives. */
function moduleWith(opcode: Opcode, { parameters, results }: Signature): Uint8Array<ArrayBuffer> {
  const type = [0x60, ...u32(parameters.length), ...concrete(parameters), ...u32(results.length), ...concrete(results)];
  const gets = parameters.flatMap((_, index) => [0x20, index]);
  const body = [0, ...gets, ...encodeInstruction(opcode), 0x0b];
  return encodeModule([
    [1, [1, ...type]],
    [3, [1, 0]],
    [4, [1, 0x70, 0, 1]],
    [5, [1, 0, 1]],
    [9, [1, 1, 0, 0]],
    [12, [1]],
    [10, [1, ...u32(body.length), ...body]],
    [11, [1, 1, 0]],
  ]);
}

test.each(fixed.map((opcode) => [opcode.name, opcode] as const))(
  '%s has the encoding and the type that V8 gives it',
  (_, opcode) => {
    const signature = opcode.signature!;
    expect(WebAssembly.validate(moduleWith(opcode, signature))).toBe(true);
    const wrong = (type: ValueType): ValueType => (type === F32 ? F64 : F32);
    for (const key of ['parameters', 'results'] as const) {
      for (const [index, type] of signature[key].entries()) {
        const other = { ...signature, [key]: signature[key].with(index, wrong(type)) };
        expect(WebAssembly.validate(moduleWith(opcode, other))).toBe(false);
      }
    }
  },
);

test('a memory access aligned beyond its size, and a lane beyond the last, are what V8 refuses', () => {
  for (const opcode of fixed.filter(({ bytes }) => bytes > 0)) {
    expect(WebAssembly.validate(moduleWith({ ...opcode, bytes: opcode.bytes * 2 }, opcode.signature!))).toBe(false);
  }
  for (const opcode of fixed.filter(({ lanes }) => lanes > 0)) {
    expect(WebAssembly.validate(moduleWith({ ...opcode, lanes: opcode.lanes + 1 }, opcode.signature!))).toBe(false);
  }
});

test('names are those of the text format, as wabt writes it', () => {
  const features = { threads: true, simd: true, relaxed_simd: true, sat_float_to_int: true };
  for (const opcode of fixed) {
    using module = disposable(moduleWith(opcode, opcode.signature!), features);
    expect(module.text, opcode.name).toMatch(new RegExp(`[ (]${opcode.name.replaceAll('.', '\\.')}[ )\\n]`));
  }
});

function disposable(bytes: Uint8Array, features: object): Disposable & { readonly text: string } {
  const module = wabt.readWasm(bytes, features);
  return { text: module.toText({}), [Symbol.dispose]: () => module.destroy() };
}

test('no two opcodes share a code or a name', () => {
  expect(new Set(OPCODES.map(({ code }) => code)).size).toBe(OPCODES.length);
  expect(new Set(OPCODES.map(({ name }) => name)).size).toBe(OPCODES.length);
  for (const opcode of OPCODES) {
    expect(opcodeByCode(opcode.code)).toBe(opcode);
    expect(opcodeByName(opcode.name)).toBe(opcode);
  }
  expect(() => opcodeByName('i32.frobnicate')).toThrow('no instruction is named i32.frobnicate');
});

test('the reader finds where each instruction begins and ends', () => {
  const encoded = fixed.map(encodeInstruction);
  const bytes = new Uint8Array(encoded.flat());
  const reader = new InstructionReader(bytes, 0, bytes.length);
  for (const [index, opcode] of fixed.entries()) {
    expect(reader.next()).toBe(opcode);
    expect(reader.end - reader.start).toBe(encoded[index]!.length);
  }
  expect(reader.atEnd).toBe(true);
});

const read = (...bytes: number[]): InstructionReader => {
  const reader = new InstructionReader(new Uint8Array(bytes), 0, bytes.length);
  reader.next();
  return reader;
};

test('the reader gives the values of immediates', () => {
  expect(read(0x41, 0x7f).i32).toBe(-1);
  expect(read(0x41, 0x80, 0x80, 0x80, 0x80, 0x78).i32).toBe(-(2 ** 31));
  expect(read(0x42, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f).i64).toBe(-(2n ** 63n));
  expect(read(0x42, 0xc0, 0xbb, 0x78).i64).toBe(-123456n);
  expect(read(0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7e).i64).toBe(-(2n ** 35n) - 1n);
  expect(read(0x0e, 2, 0, 1, 2).labels).toEqual([0, 1, 2]);
  expect(read(0x11, 3, 4)).toMatchObject({ index: 3, index2: 4 });
  expect(read(0x28, 0x42, 7, 0x80, 0x01)).toMatchObject({ align: 2, memory: 7, offsetLow: 128, offsetHigh: 0 });
  expect(read(0x28, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)).toMatchObject({
    offsetLow: 0xffffffff,
    offsetHigh: 0xffffffff,
  });
  expect(read(0x02, 0x7f).blockType).toEqual({ result: I32 });
  expect(read(0x02, 0x40).blockType).toEqual({ result: undefined });
  expect(read(0x02, 0x81, 0x01).blockType).toEqual({ index: 129 });
  expect(read(0x1c, 2, I64, V128).types).toEqual([I64, V128]);
  expect(read(0x1f, 0x40, 2, 0, 5, 1, 3, 2).catches).toEqual([
    { kind: 'catch', tag: 5, label: 1 },
    { kind: 'catch_all_ref', tag: undefined, label: 2 },
  ]);
});

test('the reader refuses what is no instruction, with the rule and the offset', () => {
  expect(() => read(0x27)).toThrow('illegal opcode: 0x27 (at offset 0)');
  expect(() => read(0xfc, 0x7f)).toThrow('illegal opcode: 0xfc 0x7f (at offset 0)');
  expect(() => read(0x41, 0x80)).toThrow('unexpected end of section or function (at offset 2)');
  expect(() => read(0x41, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00)).toThrow('integer representation too long');
  expect(() => read(0x41, 0xff, 0xff, 0xff, 0xff, 0x0f)).toThrow('integer too large');
  expect(() => read(0x20, 0xff, 0xff, 0xff, 0xff, 0x1f)).toThrow('integer too large');
  expect(() => read(0x0e, 0xff, 0xff, 0xff, 0xff, 0x07)).toThrow('unexpected end of section or function');
  expect(() => read(0xd0, 0x6e)).toThrow('garbage collection (heap type any) is not supported');
});

import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { buildGuest, GUEST_NAMES, whyNoGuest } from '../../test/support/guests.ts';
import { wat } from '../engine/v8/test-wat.ts';
import { decodeModule } from './decode.ts';
import { encodeModule, encodeName } from './encode.ts';
import { InstructionReader } from './instructions.ts';
import { ModuleError } from './module-error.ts';
import { readNames, readProducers } from './names.ts';
import { EXTERNREF, FUNC, FUNCREF, I32, I64, refType, V128 } from './types.ts';

/** A cold cache has Go build its standard library. */
const BUILD_TIMEOUT_MS = 300_000;
const HELLO = ['hello-c', 'hello-go', 'hello-as', 'hello-wat', 'posix'] as const;

test.each(HELLO)(
  '%s decodes to the imports and exports that V8 sees, and to instructions up to its end',
  async (name) => {
    expect(GUEST_NAMES).toContain(name);
    if ((await whyNoGuest(name)) !== undefined) return;
    const bytes = new Uint8Array(await readFile(await buildGuest(name)));
    const module = decodeModule(bytes);
    const compiled = new WebAssembly.Module(bytes);
    const described = (list: readonly { name: string; kind: string }[]): unknown =>
      list.map(({ name, kind }) => ({ name, kind }));
    expect(described(module.imports)).toEqual(described(WebAssembly.Module.imports(compiled)));
    expect(described(module.exports)).toEqual(described(WebAssembly.Module.exports(compiled)));
    expect(module.bodies.length).toBe(module.functions.length - module.imported.function);
    for (const { codeStart, end } of module.bodies) {
      const instructions = new InstructionReader(bytes, codeStart, end);
      while (!instructions.atEnd) instructions.next();
      expect(instructions.opcode.name).toBe('end');
    }
  },
  BUILD_TIMEOUT_MS,
);

test('definitions are told as they are written, imported ones first', () => {
  const module = decodeModule(
    wat(`(module
      (import "a" "f" (func $f (param i32) (result i64)))
      (import "a" "g" (global $g (mut v128)))
      (import "a" "t" (table 1 2 externref))
      (table 3 funcref)
      (memory 1 5)
      (global i32 (i32.const 7))
      (func $h (export "h") (local i32 i32 i64))
      (start $h)
      (elem (table 1) (i32.const 1) func $h $f)
      (elem declare funcref (ref.func $f))
      (data (i32.const 8) "abc")
      (data "xy"))`),
  );
  expect(module.types).toEqual([
    { parameters: [I32], results: [I64] },
    { parameters: [], results: [] },
  ]);
  expect(module.functions.map(({ type }) => type)).toEqual([0, 1]);
  expect(module.imported).toEqual({ function: 1, table: 1, memory: 0, global: 1, tag: 0 });
  expect(module.tables.map(({ type }) => type)).toEqual([
    { element: EXTERNREF, min: 1n, max: 2n, is64: false, shared: false },
    { element: FUNCREF, min: 3n, max: undefined, is64: false, shared: false },
  ]);
  expect(module.memories.map(({ type }) => type)).toEqual([{ min: 1n, max: 5n, is64: false, shared: false }]);
  expect(module.globals.map(({ type }) => type)).toEqual([
    { type: V128, mutable: true },
    { type: I32, mutable: false },
  ]);
  expect(module.start).toMatchObject({ function: 1 });
  expect(module.bodies[0]?.locals).toEqual([
    { count: 2, type: I32 },
    { count: 1, type: I64 },
  ]);
  expect(module.elements).toMatchObject([
    { mode: 'active', placement: { target: 1 }, type: refType(false, FUNC), items: [1, 0] },
    { mode: 'declarative', placement: undefined, items: [0] },
  ]);
  const [active, passive] = module.data;
  expect(active).toMatchObject({ placement: { target: 0 } });
  const text = Buffer.from(module.bytes.subarray(active?.content.start, active?.content.end)).toString();
  expect([text, passive?.placement]).toEqual(['abc', undefined]);
});

test('function and local names and producers are read from custom sections', () => {
  const named = decodeModule(wat('(module $m (func $first (param $x i32)) (func $second))'));
  expect(readNames(named).functions).toEqual(
    new Map([
      [0, 'first'],
      [1, 'second'],
    ]),
  );
  expect(readNames(named).locals.get(0)?.get(0)).toBe('x');
  const content = [1, ...encodeName('language'), 1, ...encodeName('C11'), ...encodeName('22')];
  const produced = decodeModule(encodeModule([[0, [...encodeName('producers'), ...content]]]));
  expect(readProducers(produced)).toEqual([{ field: 'language', name: 'C11', version: '22' }]);
});

test('a broken name section is no fault of the module', () => {
  const module = decodeModule(encodeModule([[0, [...encodeName('name'), 1, 7, 2, 0, 1, 0x61, 1, 9, 0x62]]]));
  expect(readNames(module).functions).toEqual(new Map([[0, 'a']]));
});

/** The rule that the bytes break, as 'fault: rule @offset'. */
function ruleOf(bytes: Uint8Array): string {
  try {
    decodeModule(bytes);
    return 'none';
  } catch (error) {
    if (!(error instanceof ModuleError)) throw error;
    return `${error.fault}: ${error.rule} @${error.offset}`;
  }
}

test('malformed modules are refused with the rule and the offset', () => {
  const section = (id: number, ...content: number[]): Uint8Array => encodeModule([[id, content]]);
  expect(ruleOf(Uint8Array.of())).toBe('malformed: unexpected end @0');
  expect(ruleOf(Buffer.from('\x7fELF\x02\x01\x01\x00'))).toBe('malformed: magic header not detected @0');
  expect(ruleOf(Uint8Array.of(0, 0x61, 0x73, 0x6d, 13, 0, 1, 0))).toBe('malformed: unknown binary version @4');
  expect(ruleOf(section(14))).toBe('malformed: malformed section id @8');
  expect(
    ruleOf(
      encodeModule([
        [3, [0]],
        [1, [0]],
      ]),
    ),
  ).toMatch('unexpected content after last section @11');
  expect(ruleOf(Uint8Array.of(...encodeModule([]), 1, 4, 0))).toBe('malformed: length out of bounds @10');
  expect(ruleOf(section(1, 0, 0))).toBe('malformed: section size mismatch @11');
  expect(ruleOf(section(1, 1))).toBe('malformed: unexpected end of section or function @10');
  expect(ruleOf(section(5, 1, 8, 0))).toBe('malformed: malformed limits flags @11');
  expect(ruleOf(section(3, 1, 0))).toMatch('function and code section have inconsistent lengths');
  expect(ruleOf(section(0, 1, 0xff))).toBe('malformed: malformed UTF-8 encoding @11');
  expect(ruleOf(section(1, 1, 0x5f, 0))).toBe('unsupported: garbage collection (struct type) is not supported @11');
});

test('counts beyond what a module may hold, or beyond its bytes, are refused before anything is read', () => {
  const body = (...content: number[]): Uint8Array =>
    encodeModule([
      [1, [1, 0x60, 0, 0]],
      [3, [1, 0]],
      [10, [1, content.length, ...content]],
    ]);
  const million = [0xc0, 0x84, 0x3d];
  expect(ruleOf(body(1, ...million, I32, 0x0b))).toMatch('malformed: too many locals');
  expect(ruleOf(body(2, 0xff, 0xff, 0xff, 0xff, 0x0f, I32, 1, I32, 0x0b))).toMatch('malformed: too many locals');
  expect(ruleOf(encodeModule([[3, [0xff, 0xff, 0xff, 0xff, 0x07, 0]]]))).toMatch('unexpected end of section');
});

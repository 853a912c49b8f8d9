import { describe, expect, test } from 'vitest';
import { webAssembly } from '../engine/interpreter/api.ts';
import { encodeModule, encodeName } from './encode.ts';
import { ModuleError } from './module-error.ts';
import { loadModule } from './validate.ts';

function verdict(bytes: Uint8Array): string {
  try {
    loadModule(bytes);
    return 'valid';
  } catch (error) {
    if (error instanceof ModuleError) return `${error.fault}: ${error.rule}`;
    throw error;
  }
}

const NOTHING = [0x60, 0, 0];
/** `(func (param (ref null type)))` */
const takes = (type: number): number[] => [0x60, 1, 0x63, type, 0];
const group = (...types: number[][]): number[] => [0x4e, types.length, ...types.flat()];

/** A type section: types that are alone, and groups of `count` types. */
interface Types {
  readonly entries: readonly number[][];
  readonly count: number;
}

/** A module with a function of the type `given`, and one that passes it to a third, which takes the type `wanted`. */
function passing({ entries, count }: Types, given: number, wanted: number): Uint8Array<ArrayBuffer> {
  return encodeModule([
    [1, [entries.length + 2, ...entries.flat(), ...takes(wanted), ...NOTHING]],
    [3, [3, given, count, count + 1]],
    [7, [1, ...encodeName('given'), 0, 0]],
    [10, [3, 2, 0, 0x0b, 2, 0, 0x0b, 6, 0, 0xd2, 0, 0x10, 1, 0x0b]],
  ]);
}

const PAIR = (first: number): number[] => group(takes(first + 1), takes(first));

describe('types of recursive groups are the same', () => {
  test.each<[string, Types, number, number, boolean]>([
    ['when their groups are written alike', { entries: [PAIR(0), PAIR(2)], count: 4 }, 0, 2, true],
    ['not at different places of their groups', { entries: [PAIR(0), PAIR(2)], count: 4 }, 0, 3, false],
    ['not at different places of one group', { entries: [group(NOTHING, NOTHING)], count: 2 }, 0, 1, false],
    ['not when one is alone', { entries: [NOTHING, group(NOTHING, NOTHING)], count: 3 }, 0, 1, false],
    ['when a group of one is as good as none', { entries: [takes(0), group(takes(1))], count: 2 }, 0, 1, true],
    [
      'not when a group speaks of another where the other speaks of itself',
      { entries: [PAIR(0), group(takes(1), takes(0))], count: 4 },
      0,
      2,
      false,
    ],
    [
      'when what they speak of outside is the same',
      { entries: [NOTHING, group(NOTHING), group(takes(0), takes(2)), group(takes(1), takes(4))], count: 6 },
      2,
      4,
      true,
    ],
  ])('%s', (_, types, given, wanted, same) => {
    const bytes = passing(types, given, wanted);
    expect(verdict(bytes)).toBe(same ? 'valid' : 'invalid: type mismatch');
    expect(WebAssembly.validate(bytes)).toBe(same);
  });
});

test('an empty group defines nothing, and one that is cut off is malformed', () => {
  const empty = encodeModule([[1, [2, ...group(), ...NOTHING]]]);
  expect([verdict(empty), WebAssembly.validate(empty)]).toEqual(['valid', true]);
  const cut = encodeModule([[1, [1, 0x4e, 2, ...NOTHING]]]);
  expect([verdict(cut), WebAssembly.validate(cut)]).toEqual([expect.stringMatching(/^malformed/), false]);
});

test('a type may speak of those behind it in its own group, and of no others behind it', () => {
  const beyond = encodeModule([[1, [2, ...group(takes(2), takes(0)), ...NOTHING]]]);
  expect([verdict(beyond), WebAssembly.validate(beyond)]).toEqual(['invalid: unknown type', false]);
});

/** A module that exports a function of type 0 and one that calls what its table holds (import or own) as of type 0. */
function calling(entries: readonly number[][], imported: boolean): Uint8Array<ArrayBuffer> {
  const call = [0, 0xd0, 1, 0x41, 0, 0x11, 0, 0, 0x0b];
  const types = [entries.length + 1, ...entries.flat(), ...NOTHING];
  const target = imported ? [2, [1, ...encodeName('m'), ...encodeName('f'), 0, 0]] : undefined;
  const own = imported ? [1, 2] : [2, 0, 2];
  const bodies = imported ? [1, call.length, ...call] : [2, 2, 0, 0x0b, call.length, ...call];
  return encodeModule([
    [1, types],
    ...(target === undefined ? [] : [target as [number, number[]]]),
    [3, own],
    [4, [1, 0x70, 0, 1]],
    [7, [2, ...encodeName('f'), 0, 0, ...encodeName('call'), 0, 1]],
    [9, [1, 0, 0x41, 0, 0x0b, 1, 0]],
    [10, bodies],
  ]);
}

test('a function of a recursive type can be imported and called where the type is the same, and nowhere else', () => {
  for (const { Module, Instance, LinkError } of [
    webAssembly(),
    WebAssembly as unknown as ReturnType<typeof webAssembly>,
  ]) {
    const first = new Instance(new Module(calling([PAIR(0)], false)), {});
    (first.exports['call'] as () => void)();
    const same = new Instance(new Module(calling([PAIR(0)], true)), { m: first.exports });
    (same.exports['call'] as () => void)();
    const other = new Module(calling([group(takes(1), takes(1))], true));
    expect(() => new Instance(other, { m: first.exports })).toThrow(LinkError);
  }
});

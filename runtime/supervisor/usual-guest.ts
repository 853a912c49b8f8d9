import { PREVIEW1_MODULE } from '../../wasi/preview1/name.ts';
import { encodeModule, encodeName, signed, u32 } from '../wasm/encode.ts';
import { SECTION } from '../wasm/sections.ts';

type Call = readonly [name: string, ...args: readonly (number | bigint)[]];

/** Address of one byte of output, by a vector of one. */
const OUTPUT = 0;
const OUTPUT_BYTES = [8, 0, 0, 0, 1, 0, 0, 0, 0x0a];
/** Addresses of results. */
const [FIRST, SECOND, MANY] = [16, 24, 1024];

/** In the order in which the libraries of most languages make them. */
const CALLS: readonly Call[] = [
  ['args_sizes_get', FIRST, SECOND],
  ['args_get', FIRST, MANY],
  ['environ_sizes_get', FIRST, SECOND],
  ['environ_get', FIRST, MANY],
  ['fd_prestat_get', 3, FIRST],
  ['fd_prestat_dir_name', 3, MANY, 1],
  ['fd_prestat_get', 4, FIRST],
  ['fd_fdstat_get', 1, MANY],
  ['clock_time_get', 0, 1n, FIRST],
  ['random_get', MANY, 8],
  ['fd_write', 1, OUTPUT, 1, FIRST],
  ['proc_exit', 0],
];

const [I32, I64] = [0x7f, 0x7e];
const [CALL, DROP, END, I32_CONST, I64_CONST] = [0x10, 0x1a, 0x0b, 0x41, 0x42];
const FUNCTION_TYPE = 0x60;
const [FUNCTION, MEMORY] = [0, 2];

const vector = (items: readonly (readonly number[])[]): number[] => [...u32(items.length), ...items.flat()];
const results = ([name]: Call): number[] => (name === 'proc_exit' ? [] : [I32]);
const constant = (value: number | bigint): number[] => [
  typeof value === 'bigint' ? I64_CONST : I32_CONST,
  ...signed(value),
];

/** A module that makes the system calls which nearly every program makes, and ends. */
export function usualGuest(): Uint8Array {
  const types = CALLS.map((call) => {
    const parameters = call.slice(1).map((value) => [typeof value === 'bigint' ? I64 : I32]);
    return [FUNCTION_TYPE, ...vector(parameters), ...vector(results(call).map((type) => [type]))];
  });
  const imports = CALLS.map(([name], index) => [
    ...encodeName(PREVIEW1_MODULE),
    ...encodeName(name),
    ...[FUNCTION, ...u32(index)],
  ]);
  const body = CALLS.flatMap((call, index) => {
    const [, ...values] = call;
    return [...values.flatMap(constant), CALL, ...u32(index), ...results(call).map(() => DROP)];
  });
  const code = [0, ...body, END];
  return encodeModule([
    [SECTION.type, vector([...types, [FUNCTION_TYPE, 0, 0]])],
    [SECTION.import, vector(imports)],
    [SECTION.function, vector([u32(CALLS.length)])],
    [SECTION.memory, vector([[0, 1]])],
    [
      SECTION.export,
      vector([
        [...encodeName('memory'), MEMORY, 0],
        [...encodeName('_start'), FUNCTION, ...u32(CALLS.length)],
      ]),
    ],
    [SECTION.code, vector([[...u32(code.length), ...code]])],
    [SECTION.data, vector([[0, ...constant(OUTPUT), END, ...vector(OUTPUT_BYTES.map((byte) => [byte]))]])],
  ]);
}

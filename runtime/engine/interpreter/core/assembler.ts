/** Writes WebAssembly's binary format, as far as the core needs it: code is a tree of bytes, flattened once. */
export type Code = number | readonly Code[];

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
/** The block type of a block without parameters and results. */
const VOID = 0x40;

export function unsigned(value: number): Code {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}

export function signed(value: number | bigint): Code {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (;;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0)) return [...bytes, byte];
    bytes.push(byte | 0x80);
  }
}

export const get = (local: number): Code => [0x20, unsigned(local)];
export const set = (local: number): Code => [0x21, unsigned(local)];
export const tee = (local: number): Code => [0x22, unsigned(local)];
export const i32Const = (value: number): Code => [0x41, signed(value)];
export const i64Const = (value: bigint): Code => [0x42, signed(value)];
export const br = (label: number): Code => [0x0c, unsigned(label)];
export const brIf = (label: number): Code => [0x0d, unsigned(label)];
export const block = (...body: Code[]): Code => [0x02, VOID, body, 0x0b];
export const loop = (...body: Code[]): Code => [0x03, VOID, body, 0x0b];
/** `if`, within which labels are one deeper. */
export const when = (...body: Code[]): Code => [0x04, VOID, body, 0x0b];
export const call = (index: number): Code => [0x10, unsigned(index)];
export const brTable = (labels: readonly number[], otherwise: number): Code => [
  0x0e,
  unsigned(labels.length),
  labels.map(unsigned),
  unsigned(otherwise),
];
export const RETURN: Code = 0x0f;
export const UNREACHABLE: Code = 0x00;

/**
 * The immediate of a load or store. The alignment is a hint only.
 * @param memory index of the memory
 */
export function memarg(memory: number, offset = 0, alignment = 0): Code {
  return memory === 0
    ? [unsigned(alignment), unsigned(offset)]
    : [unsigned(alignment | 0x40), unsigned(memory), unsigned(offset)];
}

/** Bytes of instructions that the core is made of, whatever it interprets. */
export const OP = {
  i32Load: 0x28,
  i64Load: 0x29,
  f32Load: 0x2a,
  f64Load: 0x2b,
  i32Load8U: 0x2d,
  i32Load16U: 0x2f,
  i32Store: 0x36,
  i64Store: 0x37,
  f32Store: 0x38,
  f64Store: 0x39,
  i32Store8: 0x3a,
  i32Store16: 0x3b,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32Ne: 0x47,
  i32LtS: 0x48,
  i32LtU: 0x49,
  i32GtU: 0x4b,
  i32GeU: 0x4f,
  i64Ne: 0x52,
  i64LtU: 0x54,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32And: 0x71,
  i32Shl: 0x74,
  i64Add: 0x7c,
  i32WrapI64: 0xa7,
  i64ExtendI32S: 0xac,
  i64ExtendI32U: 0xad,
} as const;

/** An instruction of the vector prefix. */
export const vector = (opcode: number): Code => [0xfd, unsigned(opcode)];
export const V128_LOAD = vector(0);
export const V128_STORE = vector(11);

export interface AssembledFunction {
  readonly parameters: readonly number[];
  readonly results: readonly number[];
  readonly locals: readonly number[];
  readonly body: Code;
  readonly exportName?: string;
}

export interface MemoryImport {
  readonly name: string;
  readonly is64: boolean;
  readonly shared: boolean;
}

const SHARED_MAX_PAGES = 65_536;

/** A whole module: memories imported from `env`, functions without imports. */
export function assemble(
  memories: readonly MemoryImport[],
  functions: readonly AssembledFunction[],
): Uint8Array<ArrayBuffer> {
  const exported = functions.flatMap(({ exportName }, index) =>
    exportName === undefined ? [] : [[name(exportName), 0x00, unsigned(index)]],
  );
  const types = functions.map(({ parameters, results }) => [0x60, vec(parameters), vec(results)]);
  const bytes = flatten([
    [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    section(1, vec(types)),
    section(2, vec(memories.map((memory) => [name('env'), name(memory.name), 0x02, limits(memory)]))),
    section(3, vec(functions.map((_, index) => unsigned(index)))),
    section(7, vec(exported)),
    section(10, vec(functions.map(functionBody))),
  ]);
  return new Uint8Array(bytes);
}

function functionBody({ locals, body }: AssembledFunction): Code {
  const bytes = flatten([vec(locals.map((type) => [1, type])), body, 0x0b]);
  return [unsigned(bytes.length), bytes];
}

const limits = ({ is64, shared }: MemoryImport): Code => [
  (shared ? 3 : 0) | (is64 ? 4 : 0),
  0,
  shared ? unsigned(SHARED_MAX_PAGES) : [],
];
const vec = (items: readonly Code[]): Code => [unsigned(items.length), items];
const name = (text: string): Code => vec([...Buffer.from(text)]);

function section(id: number, content: Code): Code {
  const bytes = flatten(content);
  return [id, unsigned(bytes.length), bytes];
}

function flatten(code: Code): number[] {
  const bytes: number[] = [];
  const append = (part: Code): void => {
    if (typeof part === 'number') bytes.push(part);
    else for (const inner of part) append(inner);
  };
  append(code);
  return bytes;
}

/** What the interpreter uses of V8's WebAssembly beyond its declaration for the V8 engine. */
export interface NativeMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  /** @throws RangeError when there is no room */
  grow(delta: number | bigint): number | bigint;
}

interface MemoryDescriptor {
  readonly address?: 'i64';
  readonly initial: number | bigint;
  readonly maximum?: number | bigint;
  readonly shared?: boolean;
}

const Memory = WebAssembly.Memory as unknown as new (descriptor: MemoryDescriptor) => NativeMemory;

/** @throws RangeError when there is no room for it */
export const newMemory = (descriptor: MemoryDescriptor): NativeMemory => new Memory(descriptor);

/** A core that runs. */
export interface Core {
  readonly run: (pc: number, fp: number, gas: number) => number;
  readonly step: (pc: number, fp: number, gas: number) => number;
}

export function newCore(module: WebAssembly.Module, state: NativeMemory, memories: readonly NativeMemory[]): Core {
  const env = Object.fromEntries([
    ['state', state],
    ...memories.map((memory, index) => [`memory${index}`, memory] as const),
  ]);
  return new WebAssembly.Instance(module, { env }).exports as unknown as Core;
}

export const PAGE = 65_536;

import { crc32 } from 'node:zlib';
import { emitCore } from './emit.ts';
import { InstructionSet, memoriesOf, type Shape } from './operations.ts';
import { PREBUILT } from './prebuilt.ts';

/** The core for guests of a shape, and the numbers of its instructions. */
export interface CompiledCore {
  readonly instructions: InstructionSet;
  readonly module: WebAssembly.Module;
  /** The same for cores with the same instructions under the same numbers, that do the same. */
  readonly identity: string;
}

const cores = new Map<string, CompiledCore>();

/** What cores of the same code have in common. */
export const keyOf = (shape: Shape): string =>
  memoriesOf(shape)
    .map(({ is64, shared }) => `${is64 ? 64 : 32}${shared ? 's' : ''}`)
    .join();

/** Takes a core that another thread of this process has made. */
export function adoptCore(shape: Shape, module: WebAssembly.Module, identity: string): void {
  cores.set(keyOf(shape), { instructions: new InstructionSet(shape), module, identity });
}

/** One core per shape and process. */
export function coreFor(shape: Shape): CompiledCore {
  const key = keyOf(shape);
  let core = cores.get(key);
  if (core === undefined) {
    const instructions = new InstructionSet(shape);
    const prebuilt = PREBUILT[key];
    const bytes = prebuilt === undefined ? emitCore(instructions, shape) : new Uint8Array(Buffer.from(prebuilt, 'hex'));
    core = { instructions, module: new WebAssembly.Module(bytes), identity: `${key}-${crc32(bytes).toString(16)}` };
    cores.set(key, core);
  }
  return core;
}

import { InstructionReader } from '../instructions.ts';
import type { Module } from '../module.ts';
import { RESERVED_PREFIX } from './names.ts';

/** Instructions that hold the thread itself, where no check can help. */
const WAITS = new Set(['memory.atomic.wait32', 'memory.atomic.wait64']);

/**
 * Why a module must have a host of its own; undefined when it need not.
 * @returns completes "the container has a host process of its own because …"
 * @throws ModuleError for malformed instructions
 */
export function whyNotShareable(module: Module): string | undefined {
  if (module.memories.some(({ type }) => type.shared)) return 'the module has a shared memory (threads)';
  const reserved = module.exports.find(({ name }) => name.startsWith(RESERVED_PREFIX));
  if (reserved !== undefined) return `the module exports ${reserved.name}, a name that is wasmlet's own`;
  return refusedInstruction(module);
}

function refusedInstruction({ bytes, bodies }: Module): string | undefined {
  for (const { codeStart, end } of bodies) {
    const instructions = new InstructionReader(bytes, codeStart, end);
    while (!instructions.atEnd) {
      const { name, feature } = instructions.next();
      if (feature === 'threads' && WAITS.has(name)) return `the module waits on its memory (${name})`;
    }
  }
  return undefined;
}

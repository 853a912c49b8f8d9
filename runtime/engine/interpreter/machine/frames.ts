import { HEADER, SLOT } from '../core/layout.ts';
import { type Code, instructionAt } from './code.ts';
import type { Instance } from './instance.ts';
import type { Store } from './store.ts';

/** A frame of the guest's. */
export interface Frame {
  readonly code: Code;
  readonly fp: number;
  /** Where it is: of the innermost the next instruction, of others the call that is under way. */
  readonly pc: number;
}

/**
 * The guest's call stack, innermost first.
 * @param pc the next instruction, or the one that trapped
 */
export function* framesFrom(store: Store, pc: number, fp: number): Generator<Frame> {
  const { state } = store;
  let at = pc;
  let frame = fp;
  for (;;) {
    const code = store.code.at(at);
    let header: number;
    if (code === undefined) {
      const found = stubHeader(store, at, frame);
      if (found === undefined) return;
      header = found;
    } else {
      yield { code, fp: frame, pc: at };
      header = frame + store.code.describe(code).headerSlot * SLOT;
    }
    const returnPc = state.u32(header + HEADER.returnPc);
    // Behind the call: the byte before is the call's own.
    at = returnPc === store.halt ? returnPc : returnPc - 1;
    frame = state.u32(header + HEADER.callerFp);
    if (returnPc === store.halt) return;
  }
}

/** Where a stub's frame has its header; undefined for a call that has not begun. */
function stubHeader(store: Store, pc: number, fp: number): number | undefined {
  const header = store.stubHeader(pc);
  return header === undefined ? undefined : fp + header;
}

/** The functions of a call stack for people, innermost first, with their lines where the module tells them. */
export function describeFrames(store: Store, pc: number, fp: number, limit: number): string[] {
  const frames: { readonly instance: Instance; readonly name: string; readonly source: number }[] = [];
  for (const frame of framesFrom(store, pc, fp)) {
    const { instance, index } = frame.code;
    frames.push({ instance, name: instance.functionName(index), source: sourceOf(store, frame) });
    if (frames.length >= limit) break;
  }
  const lines = new Map<Instance, ReadonlyMap<number, string>>();
  for (const { instance } of frames) {
    const own = frames.filter((frame) => frame.instance === instance).map(({ source }) => source);
    if (!lines.has(instance)) lines.set(instance, instance.linesOf(own));
  }
  return frames.map(({ instance, name, source }) => {
    const line = lines.get(instance)?.get(source);
    return line === undefined ? name : `${name} (${line})`;
  });
}

/** Offset in the module of the instruction that a frame is at. */
export function sourceOf(store: Store, { code, pc }: Frame): number {
  const lowered = store.code.describe(code);
  return lowered.map.sources[instructionAt(lowered, pc - code.start)] ?? 0;
}

import type { ValueType } from '../../../wasm/types.ts';
import { typeName } from '../../../wasm/types.ts';
import { RECORD, SLOT } from '../core/layout.ts';
import type { PositionMap } from '../lower/encoder.ts';
import { framesFrom, sourceOf } from './frames.ts';
import type { Instance } from './instance.ts';
import type { Machine } from './machine.ts';

/** A local of a frame. */
export interface Local {
  /** From the name section, else its index. */
  readonly name: string;
  readonly type: string;
  /** As JavaScript has it; a vector by its bytes. */
  readonly value: unknown;
}

/** A call that is under way. */
export interface StackFrame {
  readonly function: string;
  /** Of the function in its module. */
  readonly index: number;
  /** Offset in the module of the instruction: the next one of the innermost frame, else the call. */
  readonly offset: number;
  /** 'main.c:12:3', where the module tells it. */
  readonly line: string | undefined;
  readonly locals: readonly Local[];
}

/** The guest's calls, innermost first. The machine must stand still. */
export function callStack(machine: Machine, limit = Infinity): StackFrame[] {
  const { store } = machine;
  const frames: StackFrame[] = [];
  for (const frame of framesFrom(store, machine.pc, machine.fp)) {
    if (frames.length >= limit) break;
    const { instance, index } = frame.code;
    const offset = sourceOf(store, frame);
    const names = instance.names.locals.get(index);
    const { locals } = store.code.describe(frame.code);
    frames.push({
      function: instance.functionName(index),
      index,
      offset,
      line: instance.linesOf([offset]).get(offset),
      locals: locals.map(({ type, slot }, local) => ({
        name: names?.get(local) ?? String(local),
        type: typeName(type),
        value: valueAt(machine, type, frame.fp + slot * SLOT),
      })),
    });
  }
  return frames;
}

const valueAt = (machine: Machine, type: ValueType, address: number): unknown => machine.host.read(type, address);

/** Places where the machine stands still, before the instruction. */
export class Breakpoints {
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /**
   * At a function's first instruction, or at the first that comes from a line of its source.
   * @param line 'main.c:12', without the column
   * @returns the address, for `remove`; undefined when the function has no such line
   */
  add(instance: Instance, index: number, line?: string): number | undefined {
    const { store, breakpoints } = this.#machine;
    this.#lower(instance, index);
    const code = store.code.codes.find((one) => one.instance === instance && one.index === index);
    if (code === undefined) return undefined;
    const { map } = store.code.describe(code);
    const at = line === undefined ? 0 : firstOfLine(instance, map, line);
    const offset = map.offsets[at];
    if (offset === undefined) return undefined;
    const address = code.start + offset;
    if (!breakpoints.has(address)) {
      breakpoints.set(address, store.state.u16(address));
      store.state.view.setUint16(address, instance.instructions.code('break'), true);
    }
    return address;
  }

  remove(address: number): void {
    const { store, breakpoints } = this.#machine;
    const opcode = breakpoints.get(address);
    if (opcode === undefined) return;
    breakpoints.delete(address);
    store.state.view.setUint16(address, opcode, true);
  }

  #lower(instance: Instance, index: number): void {
    const { store } = this.#machine;
    const known = store.code.codes.some((code) => code.instance === instance && code.index === index);
    if (known || index < instance.module.imported.function) return;
    const { code, positions } = store.code.install(instance, index);
    const record = instance.function(index);
    store.state.setU32(record + RECORD.code, code.start);
    store.state.setU32(record + RECORD.positions, positions);
  }
}

/** The first instruction that has to do with the line, which need not begin with it; -1 where there is none. */
function firstOfLine(instance: Instance, { sources, joined }: PositionMap, line: string): number {
  const lines = instance.linesOf([...sources, ...joined.map(({ source }) => source)]);
  const isOf = (source: number): boolean =>
    lines.get(source)?.startsWith(`${line}:`) === true || lines.get(source) === line;
  const whole = sources.findIndex(isOf);
  const parts = joined.filter(({ source }) => isOf(source)).map(({ instruction }) => instruction);
  return parts.reduce((first, part) => (first < 0 ? part : Math.min(first, part)), whole);
}

import { GuestTrap } from '../../engine.ts';
import { HEADER, RECORD, SLOT, STACK_START, STATE_FP, STATE_GAS, STATE_PC } from '../core/layout.ts';
import { LEFT } from '../core/emit.ts';
import { FrameTooLargeError, slotsOf } from '../lower/values.ts';
import { STACK_TRAP } from './calls.ts';
import { type CodeSpace, instructionAt } from './code.ts';
import { describeFrames } from './frames.ts';
import { Fuel } from './fuel.ts';
import type { Instance } from './instance.ts';
import { Operands } from './operands.ts';
import type { GuestException } from './exception-table.ts';
import type { Store } from './store.ts';
import { IN_LINE, TRANSFERS } from './system.ts';
import { HostTransfer } from './host.ts';

/** Frames kept of a guest's stack: as many as with V8. */
const MAX_FRAMES = 64;

/** Why the machine stands still. Whatever it is, `resume` goes on. */
export type Pause =
  | { readonly kind: 'done' }
  /** A slice is used up. */
  | { readonly kind: 'slice' }
  /** All fuel is used up, or the rest does not pay for the next instruction. */
  | { readonly kind: 'limit' }
  | { readonly kind: 'breakpoint' }
  /** A function of the host is under way. */
  | { readonly kind: 'host'; readonly promise: Promise<unknown> };

const DONE: Pause = { kind: 'done' };
const SLICE_PAUSE: Pause = { kind: 'slice' };
const LIMIT: Pause = { kind: 'limit' };
const BREAKPOINT: Pause = { kind: 'breakpoint' };

/** Runs the guests of a store: one thread of control, whose whole state is in the state memory and these few fields. */
export class Machine {
  readonly store: Store;
  readonly fuel = new Fuel();
  readonly host: HostTransfer;
  /** The next instruction. */
  pc = 0;
  fp = STACK_START;
  /** Where the frame of a call from JavaScript may begin: behind all frames in use. */
  free = STACK_START;
  /** Fuel that will be left at the end of the function, if it goes straight there (docs/interpreter.md). */
  gas = 0;
  /** Whose code runs. */
  #instance: Instance | undefined;
  /** The opcodes that breakpoints stand in place of, by address (inspect.ts). */
  readonly breakpoints = new Map<number, number>();
  /** The breakpoint at which the machine stands still: it goes on with the instruction there. */
  #stoppedAt = -1;

  constructor(store: Store) {
    this.store = store;
    this.host = new HostTransfer(this);
  }

  get instance(): Instance {
    if (this.#instance === undefined) throw new RangeError('no instance runs');
    return this.#instance;
  }

  set instance(instance: Instance) {
    this.#instance = instance;
  }

  /** The fuel used so far. */
  get fuelUsed(): number {
    return this.fuel.granted - this.fuelLeft();
  }

  /**
   * Begins a call from JavaScript; `resume` then runs it.
   * @param write puts the arguments, each at its address
   */
  begin(record: number, write: (index: number, address: number) => void): void {
    const { store, free: base } = this;
    const { parameters } = store.typeOf(record);
    let at = base;
    for (const [index, type] of parameters.entries()) {
      write(index, at);
      at += slotsOf(type) * SLOT;
    }
    const { state } = store;
    const header = base + state.u32(record + RECORD.header);
    state.setU32(header + HEADER.returnPc, store.halt);
    state.setU32(header + HEADER.callerFp, this.fp);
    this.gas -= state.u32(record + RECORD.positions);
    this.fp = base;
    this.pc = state.u32(record + RECORD.code);
    this.#instance = store.instanceOf(record) ?? this.#instance ?? store.instances[1];
  }

  /**
   * Runs until there is a reason not to.
   * @throws GuestTrap, and what a function of the host threw
   */
  resume(): Pause {
    const stepped = this.#stoppedAt === this.pc ? this.#stepOver() : undefined;
    if (stepped !== undefined) return stepped;
    for (;;) {
      const pause = this.gas < 0 ? this.#refuel() : this.#run(false);
      if (pause !== undefined) return pause;
    }
  }

  /** The trap, with the guest's stack as it is now. */
  trap(message: string, options?: { cause?: unknown }): GuestTrap {
    return new GuestTrap(message, describeFrames(this.store, this.pc, this.fp, MAX_FRAMES), options);
  }

  /** Keeps an exception for as long as references to it may be. @returns its handle */
  keep(exception: GuestException): number {
    const code = this.store.code.at(this.pc);
    const slots = code === undefined ? 0 : this.store.code.describe(code).slots;
    return this.store.exceptions.keep(exception, this.fp + slots * SLOT);
  }

  /** Fuel that is left at the next instruction, of what was granted. */
  fuelLeft(): number {
    const code = this.store.code.at(this.pc);
    if (code === undefined) return this.gas;
    const lowered = this.store.code.describe(code);
    const position = lowered.map.positions[instructionAt(lowered, this.pc - code.start)] ?? 0;
    return this.gas + lowered.positions - position;
  }

  /** The fuel that the granted does not reach for: grants more, or goes step by step up to the limit. */
  #refuel(): Pause | undefined {
    const amount = this.fuel.grant();
    this.gas += amount;
    if (amount > 0) return SLICE_PAUSE;
    return this.fuelLeft() < this.#cost() ? LIMIT : this.#run(true);
  }

  /** The fuel of the next instruction. */
  #cost(): number {
    const code = this.store.code.at(this.pc);
    if (code === undefined) return 0;
    const { map, positions } = this.store.code.describe(code);
    const at = instructionAt(this.store.code.describe(code), this.pc - code.start);
    return (map.positions[at + 1] ?? positions) - (map.positions[at] ?? 0);
  }

  #run(single: boolean): Pause | undefined {
    const { state } = this.store;
    const { core } = this.instance;
    let left: number;
    try {
      left = (single ? core.step : core.run)(this.pc, this.fp, this.gas);
    } catch (error) {
      throw this.#coreTrap(error);
    }
    this.pc = state.u32(STATE_PC);
    this.fp = state.u32(STATE_FP);
    this.gas = state.view.getInt32(STATE_GAS, true);
    if (left === LEFT.stackOverflow) throw this.trap(STACK_TRAP);
    return left === LEFT.system ? this.#system() : undefined;
  }

  /** The instruction that a breakpoint stands in place of. */
  #stepOver(): Pause | undefined {
    const { store, pc } = this;
    const opcode = this.breakpoints.get(pc);
    this.#stoppedAt = -1;
    if (opcode === undefined) return undefined;
    store.state.view.setUint16(pc, opcode, true);
    try {
      return this.#run(true);
    } finally {
      store.state.view.setUint16(pc, this.instance.instructions.code('break'), true);
    }
  }

  /** A trap of the core's is the guest's, at the instruction that the core has noted. */
  #coreTrap(error: unknown): unknown {
    if (!(error instanceof WebAssembly.RuntimeError)) return error;
    this.pc = this.store.state.u32(STATE_PC);
    this.fp = this.store.state.u32(STATE_FP);
    return this.trap(error.message, { cause: error });
  }

  /** The instruction at pc is JavaScript's. */
  #system(): Pause | undefined {
    const { store, instance } = this;
    const operation = instance.instructions.operations[store.state.u16(this.pc)];
    if (operation === undefined) throw new RangeError(`no instruction at ${this.pc}`);
    const operands = new Operands(store.state, operation, this.pc, this.fp);
    const inLine = IN_LINE.get(operation.name);
    if (inLine !== undefined) {
      this.#inLine(inLine, operands);
      return undefined;
    }
    const transfer = TRANSFERS.get(operation.name);
    if (transfer !== undefined) {
      transfer(this, operands);
      return undefined;
    }
    return this.#boundary(operation.name, operands);
  }

  #inLine(operation: (machine: Machine, operands: Operands) => void, operands: Operands): void {
    try {
      operation(this, operands);
    } catch (error) {
      throw error instanceof GuestTrap ? this.trap(error.message) : error;
    }
    this.pc += operands.size;
  }

  #boundary(name: string, operands: Operands): Pause | undefined {
    switch (name) {
      case 'halt':
        return DONE;
      case 'lower':
        this.#lower(operands.u32('record'));
        return undefined;
      case 'host':
        return this.host.call(operands.u32('record'), operands.size);
      case 'break':
        this.#stoppedAt = this.pc;
        return BREAKPOINT;
      default:
        throw new RangeError(`JavaScript has no instruction ${name}`);
    }
  }

  /** A function is called for the first time: its code is made, and it is as if it had been there. */
  #lower(record: number): void {
    const { state } = this.store;
    const { code, positions } = this.#install(state.u32(record + RECORD.index));
    state.setU32(record + RECORD.code, code.start);
    state.setU32(record + RECORD.positions, positions);
    this.gas -= positions;
    this.pc = code.start;
  }

  #install(index: number): ReturnType<CodeSpace['install']> {
    try {
      return this.store.code.install(this.instance, index);
    } catch (error) {
      if (!(error instanceof FrameTooLargeError)) throw error;
      throw this.trap(`function ${this.instance.functionName(index)} cannot be run: ${error.message}`);
    }
  }
}

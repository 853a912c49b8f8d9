import { PosixError } from '../core/posix-error.ts';
import { fillRandom } from '../core/random.ts';
import { WasiExit } from '../wasi.ts';
import { plain, suspending, type Preview1Function, type Preview1Functions } from './function.ts';
import type { Preview1State } from './state.ts';

/** `signal`, in the order of the specification from 0; the number is Linux' (its 16 is missing in WASI). */
const LAST_SIGNAL = 30;
const FIRST_AFTER_STKFLT = 16;
const SIGNAL = { NONE: 0, CHLD: 16, CONT: 17, STOP: 18, TSTP: 19, TTIN: 20, TTOU: 21, URG: 22, WINCH: 27 } as const;
const IGNORED: readonly number[] = [SIGNAL.NONE, SIGNAL.CHLD, SIGNAL.CONT, SIGNAL.URG, SIGNAL.WINCH];
const STOPPING: readonly number[] = [SIGNAL.STOP, SIGNAL.TSTP, SIGNAL.TTIN, SIGNAL.TTOU];

/** @throws PosixError EINVAL for what is no signal */
export function checkSignal(signal: number): void {
  if (signal < 0 || signal > LAST_SIGNAL) throw new PosixError('EINVAL');
}

/**
 * What a signal does to a program that does not handle it.
 * @returns the exit code that it ends with; undefined: nothing happens
 * @throws PosixError ENOTSUP for one that would halt it: a guest cannot be halted
 */
export function defaultExitCode(signal: number): number | undefined {
  if (IGNORED.includes(signal)) return undefined;
  if (STOPPING.includes(signal)) throw new PosixError('ENOTSUP');
  return 128 + (signal < FIRST_AFTER_STKFLT ? signal : signal + 1);
}

/** Lets a signal come to the guest: it waits to be taken, or does what it does to a program that does not handle it. */
export function raise(state: Preview1State, signal: number): void {
  checkSignal(signal);
  if (state.signals.raise(signal)) return;
  const exitCode = defaultExitCode(signal);
  if (exitCode !== undefined) throw new WasiExit(exitCode);
}

const exit: Preview1Function = {
  suspends: false,
  call: (code: number) => {
    // As wait(2) tells it: eight bits.
    throw new WasiExit(code & 0xff);
  },
};

function randomByParts(state: Preview1State, pointer: number, length: number): Promise<void> | undefined {
  const { memory, eventLoop } = state;
  const { maxTransfer } = memory;
  memory.check(pointer, length);
  fillRandom(memory.view(pointer, Math.min(length, maxTransfer)));
  if (length <= maxTransfer) return undefined;
  return eventLoop.turn().then(() => randomByParts(state, pointer + maxTransfer, length - maxTransfer));
}

export function processFunctions(state: Preview1State): Preview1Functions {
  const { memory, eventLoop } = state;
  return {
    /**
     * WASI Preview 1, `proc_exit`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#proc_exit
     * Throws WasiExit through the guest.
     */
    proc_exit: exit,
    /**
     * WASI Preview 1, `proc_raise`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#proc_raise
     * Exits with 128 + the signal's number on Linux, where the default is to end.
     */
    proc_raise: plain((signal: number) => raise(state, signal)),
    /**
     * WASI Preview 1, `sched_yield`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sched_yield
     * Lets the host's event loop turn, if it has not for a while.
     */
    sched_yield: suspending(() => (eventLoop.turnIsDue() ? eventLoop.turn() : undefined)),
    /**
     * WASI Preview 1, `random_get`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#random_get
     * Never gives less than was asked for; where guests share a thread, a large one gives it up now and then.
     */
    random_get:
      memory.maxTransfer === Infinity
        ? plain((pointer: number, length: number) => fillRandom(memory.view(pointer, length)))
        : suspending((pointer: number, length: number) => randomByParts(state, pointer >>> 0, length >>> 0)),
  };
}

import { WasmletError } from '../../base/errors.ts';
import { PosixError } from '../../wasi/core/posix-error.ts';
import type { Program, Programs, RunningProgram } from '../../wasi/posix/index.ts';
import { defaultExitCode } from '../../wasi/preview1/process.ts';
import { mapFunctions } from '../engine/engine.ts';
import type { HostImports } from '../engine/engine.ts';
import { findExecutable } from './executable.ts';
import { GuestSignals } from './guest-signals.ts';
import type { GuestOutput, GuestSetting, LoadedGuest } from './guest.ts';
import { GuestEnd, loadGuest, runGuest } from './guest.ts';
import type { GuestStart } from './protocol.ts';

/** Programs of one container at a time, its first one not counted: each costs megabytes. */
const MAX_PROGRAMS = 64;
const FIRST_PID = 1;
/** The programs that run in this process beside a container's first one. */
interface Table {
  lastPid: number;
  running: number;
}

/**
 * What starts programs for a container's guests: in this same process, on its one thread, with the container's own files,
 * identity and limits.
 */
export function programsOf(start: GuestStart, output: GuestOutput, setting: GuestSetting): Programs {
  return new ProgramsOf(FIRST_PID, { lastPid: FIRST_PID, running: 0 }, start, output, setting);
}

class ProgramsOf implements Programs {
  readonly #parentPid: number;
  readonly #table: Table;
  readonly #start: GuestStart;
  readonly #output: GuestOutput;
  readonly #setting: GuestSetting;

  constructor(parentPid: number, table: Table, start: GuestStart, output: GuestOutput, setting: GuestSetting) {
    this.#parentPid = parentPid;
    this.#table = table;
    this.#start = start;
    this.#output = output;
    this.#setting = setting;
  }

  async start({ args, env, workingDir, descriptors }: Program): Promise<RunningProgram> {
    const table = this.#table;
    if (table.running >= MAX_PROGRAMS) throw new PosixError('EAGAIN');
    const { module: _first, ...container } = this.#start;
    const start = { ...container, args, env, workingDir };
    requireFile(start);
    const pid = ++table.lastPid;
    const control = new Control();
    table.running += 1;
    let loaded: LoadedGuest;
    try {
      loaded = await loadGuest(start, this.#output, {
        ...this.#setting,
        takesIdentity: false,
        signals: control.signals,
        imports: (imports) => control.interruptible(imports),
        process: { pid, parentPid: this.#parentPid, descriptors },
        programs: new ProgramsOf(pid, table, this.#start, this.#output, this.#setting),
      });
    } catch (cause) {
      table.running -= 1;
      throw cause instanceof PosixError ? cause : new PosixError('ENOEXEC');
    }
    return { pid, ended: this.#run(loaded), signal: (signal) => control.signal(signal) };
  }

  async #run(loaded: LoadedGuest): Promise<number> {
    using guest = loaded;
    try {
      return (await runGuest(guest, this.#output)).exitCode;
    } finally {
      this.#table.running -= 1;
    }
  }
}

/** @throws PosixError ENOENT */
function requireFile(start: GuestStart): void {
  try {
    findExecutable(start);
  } catch (error) {
    throw error instanceof WasmletError ? new PosixError('ENOENT') : error;
  }
}

/** What reaches a program from outside. */
class Control {
  readonly signals = new GuestSignals();
  #end: GuestEnd | undefined;
  /** Ends the call that it waits in. */
  #interrupt: ((end: GuestEnd) => void) | undefined;

  signal(signal: number): void {
    if (this.signals.deliver(signal)) return;
    const exitCode = defaultExitCode(signal);
    if (exitCode === undefined) return;
    this.#end = new GuestEnd({ exitCode, reason: 'Error', message: '' });
    this.#interrupt?.(this.#end);
  }

  /** The same functions, which end the guest once it is to end: in the one that it waits in, or the next. */
  interruptible(imports: HostImports): HostImports {
    return mapFunctions(imports, ({ suspends, call }) => ({
      suspends,
      call: (...args: never[]) => {
        if (this.#end) throw this.#end;
        const result = call(...args);
        if (!(result instanceof Promise)) return result;
        return new Promise((resolve, reject) => {
          this.#interrupt = reject;
          result.then(resolve, reject);
        });
      },
    }));
  }
}

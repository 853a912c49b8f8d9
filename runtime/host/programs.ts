import { WasmletError } from '../../base/errors.ts';
import { PosixError } from '../../wasi/core/posix-error.ts';
import type { Program, Programs, RunningProgram } from '../../wasi/posix/index.ts';
import type { SignalSource } from '../../wasi/wasi.ts';
import type { HostImports } from '../engine/engine.ts';
import { findExecutable } from './executable.ts';
import type { GuestOutput, GuestSetting, LoadedGuest } from './guest.ts';
import { GuestEnd, loadGuest, runGuest } from './guest.ts';
import type { GuestStart } from './protocol.ts';

/** Programs of one container at a time, its first one not counted: each costs megabytes. */
const MAX_PROGRAMS = 64;
const FIRST_PID = 1;
/** WASI Preview 1, `signal`: those whose default is to do nothing. A guest cannot be halted, so no signal does it. */
const IGNORED: readonly number[] = [0, 16, 17, 18, 19, 20, 21, 22, 27];
const FIRST_AFTER_STKFLT = 16;

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
        signals: control,
        imports: (imports) => control.interruptible(imports),
        process: { pid, parentPid: this.#parentPid, descriptors },
        programs: new ProgramsOf(pid, table, this.#start, this.#output, this.#setting),
      });
    } catch (cause) {
      table.running -= 1;
      throw cause instanceof PosixError ? cause : new PosixError('ENOEXEC');
    }
    const ended = runGuest(loaded, this.#output).then(({ exitCode }) => {
      loaded[Symbol.dispose]();
      table.running -= 1;
      return exitCode;
    });
    return { pid, ended, signal: (signal) => control.signal(signal) };
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

/** What reaches a program from outside: no process stands for it. */
class Control implements SignalSource {
  readonly #listening = new Map<number, () => void>();
  #end: GuestEnd | undefined;
  /** Ends the call that it waits in. */
  #interrupt: ((end: GuestEnd) => void) | undefined;

  listen(signal: number, deliver: () => void): Disposable {
    this.#listening.set(signal, deliver);
    return { [Symbol.dispose]: () => void this.#listening.delete(signal) };
  }

  signal(signal: number): void {
    const deliver = this.#listening.get(signal);
    if (deliver) deliver();
    else if (!IGNORED.includes(signal)) {
      const exitCode = 128 + (signal < FIRST_AFTER_STKFLT ? signal : signal + 1);
      this.#end = new GuestEnd({ exitCode, reason: 'Error', message: '' });
      this.#interrupt?.(this.#end);
    }
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

type HostFunction = HostImports[string][string];

const mapFunctions = (imports: HostImports, change: (given: HostFunction) => HostFunction): HostImports =>
  mapValues(imports, (functions) => mapValues(functions, change));

const mapValues = <T>(given: Readonly<Record<string, T>>, change: (value: T) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [name, change(value)]));

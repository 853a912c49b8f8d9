/* eslint-disable max-params -- the module's functions have so many */
import { posix } from 'node:path';
import { Changes } from '../core/changes.ts';
import { PosixError } from '../core/posix-error.ts';
import type { Descriptor } from '../preview1/descriptor.ts';
import { suspending, type Preview1Functions } from '../preview1/function.ts';
import type { Preview1State } from '../preview1/state.ts';
import type { Program, Programs, RunningProgram } from './programs.ts';

const ANY = 0xffffffff;
const NO_HANG = 1;
/** Linux' limit for one string is 128 KiB, for all of them a quarter of the stack, 2 MiB. */
const MAX_STRINGS_BYTES = 2 * 1024 * 1024;
const PAIR_SIZE = 8;

/** The children of one guest. */
export class Children {
  readonly #running = new Map<number, RunningProgram>();
  readonly #ended = new Map<number, number>();
  readonly #changes = new Changes();

  add(program: RunningProgram): void {
    this.#running.set(program.pid, program);
    void program.ended.then((code) => {
      this.#running.delete(program.pid);
      this.#ended.set(program.pid, code);
      this.#changes.tell();
    });
  }

  /** @throws PosixError ESRCH when it is no child, or was waited for */
  signal(pid: number, signal: number): void {
    if (this.#ended.has(pid)) return;
    const program = this.#running.get(pid);
    if (program === undefined) throw new PosixError('ESRCH');
    program.signal(signal);
  }

  /** Takes one that has ended. @throws PosixError ECHILD when none is or will be */
  take(pid: number): { pid: number; code: number } | undefined {
    const [found] = pid === ANY ? this.#ended.keys() : [pid];
    const code = found === undefined ? undefined : this.#ended.get(found);
    if (found !== undefined && code !== undefined) {
      this.#ended.delete(found);
      return { pid: found, code };
    }
    const mayCome = pid === ANY ? this.#running.size > 0 : this.#running.has(pid);
    if (!mayCome) throw new PosixError('ECHILD');
    return undefined;
  }

  /** Resolves when the next one has ended. */
  change(): Promise<void> {
    return this.#changes.next();
  }
}

/**
 * What starts programs and waits for them.
 * @param programs undefined where none can be started
 */
export function childFunctions(
  state: Preview1State,
  children: Children,
  programs: Programs | undefined,
): Preview1Functions {
  const { memory, signals } = state;
  return {
    /** posix_spawn(3). */
    proc_spawn: suspending(
      (
        args: number,
        argsLength: number,
        env: number,
        envLength: number,
        dir: number,
        dirLength: number,
        pairs: number,
        pairCount: number,
        pidOut: number,
      ) => {
        memory.check(pidOut, 4);
        if (programs === undefined) throw new PosixError('ENOTSUP');
        const program: Program = {
          args: stringsAt(state, args, argsLength),
          env: stringsAt(state, env, envLength),
          workingDir: posix.resolve('/', stringAt(state, dir, dirLength)),
          descriptors: inheritedAt(state, pairs, pairCount),
        };
        return programs.start(program).then((running) => {
          children.add(running);
          memory.setU32(pidOut, running.pid);
        });
      },
    ),
    /** waitpid(2). */
    proc_wait: suspending((pid: number, flags: number, pidOut: number, codeOut: number) => {
      memory.check(pidOut, 4);
      memory.check(codeOut, 4);
      if ((flags & ~NO_HANG) !== 0) throw new PosixError('EINVAL');
      const give = ({ pid, code }: { pid: number; code: number }): void => {
        memory.setU32(pidOut, pid);
        memory.setU32(codeOut, code);
      };
      const wait = async (): Promise<void> => {
        await Promise.race([children.change(), signals.arrival()]);
        signals.throwIfInterrupted();
        const ended = children.take(pid >>> 0);
        if (ended) give(ended);
        else await wait();
      };
      const ended = children.take(pid >>> 0);
      if (!ended && flags !== NO_HANG) return wait();
      give(ended ?? { pid: 0, code: 0 });
      return undefined;
    }),
  };
}

function stringAt({ memory }: Preview1State, pointer: number, length: number): string {
  if (length >>> 0 > MAX_STRINGS_BYTES) throw new PosixError('E2BIG');
  return Buffer.from(memory.view(pointer, length)).toString();
}

/** Strings that each end with NUL. */
function stringsAt(state: Preview1State, pointer: number, length: number): string[] {
  const text = stringAt(state, pointer, length);
  if (text === '') return [];
  if (!text.endsWith('\0')) throw new PosixError('EINVAL');
  return text.slice(0, -1).split('\0');
}

/** Pairs of numbers: the child's, and the guest's own. */
function inheritedAt({ memory, descriptors }: Preview1State, pointer: number, count: number): Map<number, Descriptor> {
  memory.check(pointer, (count >>> 0) * PAIR_SIZE);
  const inherited = new Map<number, Descriptor>();
  for (let index = 0; index < count >>> 0; index += 1) {
    const at = (pointer >>> 0) + index * PAIR_SIZE;
    inherited.set(memory.u32(at), descriptors.get(memory.u32(at + 4)));
  }
  return inherited;
}

/* eslint-disable max-params -- the module's functions have so many */
import { posix } from 'node:path';
import { Changes } from '../core/changes.ts';
import { MAX_DESCRIPTORS } from '../core/descriptor-table.ts';
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
/** Of one guest, those included that have ended and were not waited for: as the limit on processes counts them. */
const MAX_CHILDREN = 64;
const NONE = { pid: 0, code: 0 };

interface Ended {
  readonly pid: number;
  readonly code: number;
}

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

  /** @throws PosixError EAGAIN when there are too many */
  checkRoom(): void {
    if (this.#running.size + this.#ended.size >= MAX_CHILDREN) throw new PosixError('EAGAIN');
  }

  /** @throws PosixError ESRCH when it is no child, or was waited for */
  signal(pid: number, signal: number): void {
    if (this.#ended.has(pid)) return;
    const program = this.#running.get(pid);
    if (program === undefined) throw new PosixError('ESRCH');
    program.signal(signal);
  }

  /** Takes one that has ended. @throws PosixError ECHILD when none is or will be */
  take(pid: number): Ended | undefined {
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
  const { memory, signals, eventLoop } = state;

  /** Waits until one has ended, or a signal that the guest takes itself comes (EINTR). */
  const wait = async (pid: number): Promise<Ended> => {
    for (;;) {
      signals.throwIfInterrupted();
      const ended = children.take(pid);
      if (ended) return ended;
      await eventLoop.waitUntil(undefined, children.change(), signals.arrival());
    }
  };

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
        children.checkRoom();
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
      const give = (ended: Ended): void => {
        memory.setU32(pidOut, ended.pid);
        memory.setU32(codeOut, ended.code);
      };
      const wanted = pid >>> 0;
      const ended = children.take(wanted);
      if (ended) give(ended);
      else if (flags !== NO_HANG) return wait(wanted).then(give);
      // A child only goes on when the event loop turns, so a guest that looks for its end in a loop gets a turn.
      else if (eventLoop.turnIsDue()) return eventLoop.turn().then(() => give(children.take(wanted) ?? NONE));
      else give(NONE);
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

/** Pairs of numbers: the child's, and the guest's own. @throws PosixError EBADF */
function inheritedAt({ memory, descriptors }: Preview1State, pointer: number, count: number): Map<number, Descriptor> {
  if (count >>> 0 > MAX_DESCRIPTORS) throw new PosixError('EMFILE');
  memory.check(pointer, (count >>> 0) * PAIR_SIZE);
  const inherited = new Map<number, Descriptor>();
  for (let index = 0; index < count >>> 0; index += 1) {
    const at = (pointer >>> 0) + index * PAIR_SIZE;
    const number = memory.u32(at);
    if (number >= MAX_DESCRIPTORS) throw new PosixError('EBADF');
    inherited.set(number, descriptors.get(memory.u32(at + 4)));
  }
  return inherited;
}

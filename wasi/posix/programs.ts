import type { Descriptor } from '../preview1/descriptor.ts';

/** What a guest asks to be run beside it. */
export interface Program {
  /** The first names it, as for exec(3): by path, else in PATH of its environment. */
  readonly args: readonly string[];
  /** 'NAME=value' */
  readonly env: readonly string[];
  readonly workingDir: string;
  /** All that it has open but `/`, by its own numbers. */
  readonly descriptors: ReadonlyMap<number, Descriptor>;
}

/** A program that was started. */
export interface RunningProgram {
  readonly pid: number;
  /** Its exit code, 128 and the signal's number when a signal ended it. */
  readonly ended: Promise<number>;
  /**
   * Lets a signal come to it: it takes it itself, or it ends, or nothing happens.
   * @throws PosixError ENOTSUP for one that would halt it
   */
  signal(signal: number): void;
}

/** Starts programs for a guest. */
export interface Programs {
  /**
   * Starts a program. It runs while the guest that started it waits: there is one thread for both.
   * @throws PosixError ENOENT: there is no such file; ENOEXEC: it is no module for this host; EAGAIN: too many run
   */
  start(program: Program): Promise<RunningProgram>;
}

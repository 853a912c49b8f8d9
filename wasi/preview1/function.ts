import { errnoFor, SUCCESS } from './errno.ts';

/**
 * A function that a guest imports; the shape of HostFunction in runtime/engine/engine.ts, which wasi/ does not know.
 * `suspends`: it may return a promise for its result, and the guest waits.
 */
export interface Preview1Function {
  readonly suspends: boolean;
  readonly call: (...args: never[]) => unknown;
}

export type Preview1Functions = Readonly<Record<string, Preview1Function>>;

/** A function that returns an errno and never waits: done, or throws what errnoFor knows. */
export function plain(body: (...args: never[]) => void): Preview1Function {
  const call = (...args: never[]): number => {
    try {
      body(...args);
      return SUCCESS;
    } catch (error) {
      return errnoFor(error);
    }
  };
  return { suspends: false, call };
}

/** Frames recorded of an error in a path function: where in wasi/ it came from. */
const FRAMES = 4;

/**
 * As `plain`, for functions that often fail in the ordinary course of a program (does this file exist?): while one
 * runs, errors do not record the guest's whole stack, which would nearly double what such a call costs.
 */
export function oftenFailing(body: (...args: never[]) => void): Preview1Function {
  return plain((...args: never[]) => {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = FRAMES;
    try {
      body(...args);
    } finally {
      Error.stackTraceLimit = limit;
    }
  });
}

/** A function that returns an errno and may wait. */
export function suspending(body: (...args: never[]) => Promise<void> | undefined): Preview1Function {
  const call = (...args: never[]): number | Promise<number> => {
    try {
      return body(...args)?.then(() => SUCCESS, errnoFor) ?? SUCCESS;
    } catch (error) {
      return errnoFor(error);
    }
  };
  return { suspends: true, call };
}

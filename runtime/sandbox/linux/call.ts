import type * as Ffi from 'node:ffi';
import { getSystemErrorName } from 'node:util';
import { WasmletError } from '../../../base/errors.ts';
import { ARCHITECTURES } from './numbers.ts';
import type { Architecture, SystemCall } from './numbers.ts';

/** A number, memory, or text as C has it. */
export type Argument = number | bigint | Buffer | string;

const FAILED = -1n;

interface Calls {
  readonly architecture: Architecture;
  readonly make: (number: number, args: readonly Argument[]) => bigint;
  readonly errno: () => number;
}

/** A system call that the kernel refused. `code` is the errno's name, as in Node's own system errors. */
export class SystemCallError extends Error {
  readonly code: string;
  readonly syscall: SystemCall;

  constructor(syscall: SystemCall, errno: number) {
    const code = getSystemErrorName(-errno);
    super(`${code}: ${syscall}`);
    this.name = 'SystemCallError';
    this.code = code;
    this.syscall = syscall;
  }
}

let calls: Calls | undefined;

/**
 * Why this process can make no system calls of its own; undefined: it can. They go through node:ffi to the C library
 * that Node itself is linked with.
 */
export function missingSystemCalls(): string | undefined {
  if (process.platform !== 'linux') return 'it needs Linux';
  if (!ARCHITECTURES[process.arch]) return `it needs x64 or arm64, not ${process.arch}`;
  return ffi() ? undefined : 'node:ffi is not there: Node 26.10 or later, without --no-experimental-ffi';
}

/** Typed as always there, which it is not: a flag takes it away. */
const ffi = (): typeof Ffi | undefined => process.getBuiltinModule('node:ffi');

function load(): Calls {
  const missing = missingSystemCalls();
  const library = ffi();
  const architecture = ARCHITECTURES[process.arch];
  if (missing !== undefined || !library || !architecture) {
    throw new WasmletError('FailedPrecondition', `system calls cannot be made: ${missing ?? ''}`);
  }
  const { functions } = library.dlopen(null, {
    syscall: {
      arguments: ['int64', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer', 'pointer'],
      return: 'int64',
    },
    __errno_location: { arguments: [], return: 'pointer' },
  });
  return {
    architecture,
    make: (number, args) => {
      const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = args.map(pointerOf);
      return functions.syscall(BigInt(number), a, b, c, d, e, f);
    },
    errno: () => library.getInt32(functions.__errno_location(), 0),
  };
}

/** A register holds 64 bits, whatever they mean: numbers below zero are as in C. */
const pointerOf = (argument: Argument): bigint | Buffer | string =>
  typeof argument === 'number' || typeof argument === 'bigint' ? BigInt.asUintN(64, BigInt(argument)) : argument;

/**
 * Makes a system call on this thread, and waits for it.
 * @returns what the kernel returned
 * @throws SystemCallError; WasmletError FailedPrecondition where none can be made (missingSystemCalls)
 */
export function systemCall(name: SystemCall, ...args: readonly Argument[]): number {
  calls ??= load();
  const number = calls.architecture.numberOf(name);
  if (number === null) throw new WasmletError('Internal', `${process.arch} has no system call ${name}`);
  const result = calls.make(number, args);
  if (result === FAILED) throw new SystemCallError(name, calls.errno());
  return Number(result);
}

import { readFileSync } from 'node:fs';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { createPreview1 } from '../../wasi/preview1/index.ts';
import { WasiExit } from '../../wasi/wasi.ts';
import type { OutputSink, WasiContext } from '../../wasi/wasi.ts';
import { GuestTrap } from '../engine/engine.ts';
import type { CompiledModule, Guest } from '../engine/engine.ts';
import { engineFor } from '../engine/index.ts';
import { findExecutable } from './executable.ts';
import type { ContainerExit } from './exit-record.ts';
import type { GuestStart } from './protocol.ts';
import { timeNow } from './timestamp.ts';

/** 128 + SIGABRT, as a process ends that hits its own trap. */
const TRAP_EXIT_CODE = 134;
const MAX_FRAMES = 64;

const ENTRY = '_start';

/** Where a guest's output goes. */
export interface GuestOutput {
  readonly stdout: OutputSink;
  readonly stderr: OutputSink;
}

/** A guest that is ready to run. */
export interface LoadedGuest extends Disposable {
  readonly guest: Guest;
}

function contextOf(start: GuestStart, output: GuestOutput): WasiContext {
  return {
    args: start.args,
    env: start.env,
    root: start.root,
    workingDir: start.workingDir,
    mounts: start.mounts.map(({ containerPath, hostPath, readonly }) => ({
      guestPath: containerPath,
      hostPath,
      readonly,
    })),
    stdin: { read: () => new Uint8Array(0) },
    stdout: output.stdout,
    stderr: output.stderr,
    tty: start.tty,
  };
}

function checkCommand(module: CompiledModule): void {
  if (module.exports.some(({ name, kind }) => name === ENTRY && kind === 'function')) return;
  throw new WasmletError(
    'InvalidArgument',
    `the module exports no function ${ENTRY}: it is a library (a WASI reactor), not a command; build it as a command`,
  );
}

/**
 * Finds, compiles and links the container's module.
 * @throws anything; its message is what the container's status shows as the reason of a StartError
 */
export async function loadGuest(start: GuestStart, output: GuestOutput): Promise<LoadedGuest> {
  const path = start.module ?? findExecutable(start);
  // Synchronously: nothing else happens here, and the first asynchronous call would start libuv's four threads.
  const module = await engineFor(start.engine).compile(readFileSync(path));
  checkCommand(module);
  const wasi = createPreview1(contextOf(start, output));
  try {
    const guest = await module.instantiate(wasi.imports);
    wasi.setMemory(guest.memory);
    return { guest, [Symbol.dispose]: () => wasi[Symbol.dispose]() };
  } catch (error) {
    wasi[Symbol.dispose]();
    throw error;
  }
}

/** Runs a loaded guest to its end, whatever end that is. */
export async function runGuest({ guest }: LoadedGuest, output: GuestOutput): Promise<ContainerExit> {
  try {
    await guest.run(ENTRY);
    return exited(0);
  } catch (error) {
    if (error instanceof WasiExit) return exited(error.exitCode & 0xff);
    const message = describeFailure(error);
    output.stderr.write(Buffer.from(`${message}\n`));
    return { exitCode: TRAP_EXIT_CODE, reason: 'Error', message, finishedAt: timeNow() };
  }
}

const exited = (exitCode: number): ContainerExit => ({
  exitCode,
  reason: exitCode === 0 ? 'Completed' : 'Error',
  message: '',
  finishedAt: timeNow(),
});

function describeFailure(error: unknown): string {
  if (!(error instanceof GuestTrap)) return `wasmlet: internal fault while the guest ran: ${messageOf(error)}`;
  return [error.message, ...error.frames.slice(0, MAX_FRAMES).map((frame) => `    at ${frame}`)].join('\n');
}

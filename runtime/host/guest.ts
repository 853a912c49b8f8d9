import { readFileSync } from 'node:fs';
import { messageOf, WasmletError } from '../../base/errors.ts';
import type { Programs } from '../../wasi/posix/index.ts';
import { POSIX_MODULE } from '../../wasi/posix/name.ts';
import type { Descriptor } from '../../wasi/preview1/descriptor.ts';
import { createPreview1, type Preview1 } from '../../wasi/preview1/index.ts';
import { PREVIEW1_MODULE } from '../../wasi/preview1/name.ts';
import { WasiExit } from '../../wasi/wasi.ts';
import type { InputSource, OutputSink, SignalSource, WasiContext } from '../../wasi/wasi.ts';
import { GuestTrap } from '../engine/engine.ts';
import type { CompiledModule, Guest, HostImports } from '../engine/engine.ts';
import { engineFor } from '../engine/index.ts';
import { stopSignalNumber } from '../stop-signal.ts';
import { findExecutable } from './executable.ts';
import { asHost, takeIdentity } from './guest-identity.ts';
import type { ContainerExit } from './exit-record.ts';
import { inheritedInput } from './inherited-input.ts';
import type { GuestStart } from './protocol.ts';
import { processSignals, stoppedBy } from './process-signals.ts';
import { terminalOutput } from './terminal.ts';
import { timeNow } from './timestamp.ts';

/** 128 + SIGABRT, as a process ends that hits its own trap. */
const TRAP_EXIT_CODE = 134;
const MAX_FRAMES = 64;

/** How long a guest that has ended may have its connections take what it has sent: a kernel would do it without it. */
const FLUSH_TIMEOUT_MS = 2000;

const ENTRY = '_start';

/** Where a guest's output goes. */
export interface GuestOutput {
  readonly stdout: OutputSink;
  readonly stderr: OutputSink;
}

/** What is another one where guests share a host. */
export interface GuestSetting {
  /** By default by the engine of the request, anew. */
  readonly compile?: (path: string) => Promise<CompiledModule>;
  /** By default those of this process. */
  readonly signals?: SignalSource;
  /** Whether the process takes the guest's identity; default true. */
  readonly takesIdentity?: boolean;
  /** What keeps one guest from others' descriptors and time; see WasiContext. */
  readonly bounds?: Pick<WasiContext, 'maxTransfer' | 'maxDescriptors'>;
  /** Replaces what the guest imports. */
  readonly imports?: (imports: HostImports) => HostImports;
  /** Of a program that another guest of the container has started. */
  readonly process?: {
    readonly pid: number;
    readonly parentPid: number;
    readonly descriptors: ReadonlyMap<number, Descriptor>;
  };
  /** What starts further programs; false: none can be; by default programs in this process. */
  readonly programs?: Programs | false;
}

/** What ended a guest from outside: thrown through it, as an exit is. */
export class GuestEnd extends Error {
  readonly exit: Omit<ContainerExit, 'finishedAt'>;

  constructor(exit: Omit<ContainerExit, 'finishedAt'>) {
    super(`the guest is ended with ${exit.exitCode}`);
    this.name = 'GuestEnd';
    this.exit = exit;
  }
}

const NO_INPUT: InputSource = { read: () => new Uint8Array(0) };

/** Nobody has attached to it, so nothing comes and it does not end. */
const OPEN_INPUT: InputSource = { read: () => new Promise(() => undefined) };

function inputOf({ stdin, inheritsStdin }: GuestStart): InputSource {
  if (inheritsStdin === true) return inheritedInput();
  return stdin === true ? OPEN_INPUT : NO_INPUT;
}

/** A guest that is ready to run. */
export interface LoadedGuest extends Disposable {
  readonly guest: Guest;
  /** What it has open. */
  readonly descriptors: Preview1['state']['descriptors'];
  /** Closes what the guest has left open, and resolves when what it has sent is on its way. */
  finish(): Promise<void>;
}

/** A guest that never imports a function on sockets has no network: not even its declared ports. */
function networkOf(module: CompiledModule, { network }: GuestStart, output: GuestOutput): Pick<WasiContext, 'network'> {
  const wanted = module.imports.some((entry) => entry.module === PREVIEW1_MODULE && entry.name.startsWith('sock_'));
  if (!wanted || network === undefined) return {};
  return { network: { ...network, report: (line) => output.stderr.write(Buffer.from(`${line}\n`)) } };
}

function contextOf(
  module: CompiledModule,
  start: GuestStart,
  output: GuestOutput,
  { signals = processSignals, bounds = {}, process }: GuestSetting,
): WasiContext {
  const stopSignal = stopSignalNumber(start.stopSignal);
  const { stdout, stderr } = start.tty ? terminalOutput(output) : output;
  return {
    args: start.args,
    env: start.env,
    root: start.root,
    workingDir: start.workingDir,
    mounts: start.mounts.map(({ containerPath, ...mount }) => ({ guestPath: containerPath, ...mount })),
    stdin: inputOf(start),
    stdout,
    stderr,
    tty: start.tty,
    systemFiles: true,
    readonlyRoot: start.readonlyRoot ?? false,
    ...(start.identity === undefined ? {} : { identity: start.identity }),
    hostname: start.hostname ?? '',
    signals: stoppedBy(signals, stopSignal),
    stopSignal,
    ...(process === undefined ? {} : { pid: process.pid, parentPid: process.parentPid }),
    ...bounds,
    ...networkOf(module, start, output),
  };
}

function checkCommand(module: CompiledModule): void {
  if (module.exports.some(({ name, kind }) => name === ENTRY && kind === 'function')) return;
  throw new WasmletError(
    'InvalidArgument',
    `the module exports no function ${ENTRY}: it is a library (a WASI reactor), not a command; build it as a command`,
  );
}

/** What lies beyond Preview 1; only loaded for a guest that imports it. */
async function extensionFor(
  module: CompiledModule,
  wasi: Preview1,
  start: GuestStart,
  programs: () => Promise<Programs | undefined>,
): Promise<HostImports> {
  if (!module.imports.some((wanted) => wanted.module === POSIX_MODULE)) return {};
  if (start.posixExtension === false) {
    throw new WasmletError(
      'FailedPrecondition',
      `the module imports ${POSIX_MODULE}, which this node does not offer: posixExtension is false in its configuration`,
    );
  }
  const { posixImports } = await import('../../wasi/posix/index.ts');
  const spawns = module.imports.some(({ name }) => name === 'proc_spawn');
  return posixImports(wasi.state, spawns ? await programs() : undefined);
}

/**
 * Finds, compiles and links the container's module.
 * @throws anything; its message is what the container's status shows as the reason of a StartError
 */
export async function loadGuest(
  start: GuestStart,
  output: GuestOutput,
  setting: GuestSetting = {},
): Promise<LoadedGuest> {
  const path = start.module ?? findExecutable(start);
  // Synchronously: nothing else happens here, and the first asynchronous call would start libuv's four threads.
  const module = await (setting.compile?.(path) ?? engineFor(start.engine).compile(readFileSync(path)));
  checkCommand(module);
  const wasi = asHost(() => createPreview1(contextOf(module, start, output, setting), setting.process?.descriptors));
  try {
    const programs = async (): Promise<Programs | undefined> => {
      if (setting.programs !== undefined) return setting.programs || undefined;
      return (await import('./programs.ts')).programsOf(start, output, setting);
    };
    const imports = { ...wasi.imports, ...(await extensionFor(module, wasi, start, programs)) };
    // What follows is the guest's doing; until here the host opened what only the host may.
    if (start.identity !== undefined && setting.takesIdentity !== false) takeIdentity(start.identity);
    const guest = await module.instantiate(setting.imports?.(imports) ?? imports);
    wasi.setMemory(guest.memory);
    const { descriptors } = wasi.state;
    return { guest, descriptors, finish: () => finish(wasi), [Symbol.dispose]: () => wasi[Symbol.dispose]() };
  } catch (error) {
    wasi[Symbol.dispose]();
    throw error;
  }
}

async function finish(wasi: Preview1): Promise<void> {
  wasi[Symbol.dispose]();
  await wasi.flush(FLUSH_TIMEOUT_MS);
}

/** Runs a loaded guest to its end, whatever end that is. */
export async function runGuest(loaded: LoadedGuest, output: GuestOutput): Promise<ContainerExit> {
  const exit = await runToEnd(loaded, output);
  await loaded.finish();
  return exit;
}

async function runToEnd({ guest }: LoadedGuest, output: GuestOutput): Promise<ContainerExit> {
  try {
    await guest.run(ENTRY);
    return exited(0);
  } catch (error) {
    if (error instanceof WasiExit) return exited(error.exitCode & 0xff);
    if (error instanceof GuestEnd) return { ...error.exit, finishedAt: timeNow() };
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

import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { errnoOf, messageOf, WasmletError } from '../../base/errors.ts';
import { readRecord } from '../../base/record.ts';
import type { GuestStart, HostAnswer } from '../host/protocol.ts';
import type { MountedRoot } from '../sandbox/confinement/reach.ts';
import type { SupervisorContext } from './context.ts';
import { lastWords } from './exits.ts';
import { pooledErrorPath, signalHost } from './hosts.ts';
import type { ChildHost, HostEnd, HostMessage } from './hosts.ts';
import { isAlive, signalProcess } from '../../base/process.ts';
import { removeHostFiles } from './pool.ts';
import { COMMAND_RECORD, commandPath, commandsDirectory } from './records.ts';
import type { CommandRecord } from './records.ts';
import { processUsage } from './stats.ts';
import type { ProcessUsage } from './stats.ts';

/** Takes a command's output. Where it returns a promise, the guest is held up until that has resolved. */
export type CommandOutput = (stream: 'stdout' | 'stderr', data: Buffer) => Promise<undefined> | undefined;

/** What a client asks for. */
export interface ExecCommand {
  readonly command: readonly string[];
  /** Seconds from its start; 0: none. */
  readonly timeoutSeconds: number;
  readonly output: CommandOutput;
  /** Ends the command. */
  readonly signal: AbortSignal;
}

export interface CommandRequest extends Omit<ExecCommand, 'command'> {
  readonly start: GuestStart & MountedRoot;
  /** The process that runs the container. */
  readonly containerPid: number;
  /** Path of the pod's own network namespace. */
  readonly netns: string | undefined;
  /** How long its host may take until the guest runs. */
  readonly startTimeoutMs: number;
  /** The name of the one program that a container from a bare module has. */
  readonly onlyProgram?: string;
}

/** What a host without a parent can be known to use: nothing. */
const NO_USAGE: ProcessUsage = { cpuUsageCoreNanoSeconds: 0, memoryWorkingSetBytes: 0 };

/**
 * The commands that run in one container (CRI's ExecSync and Exec), each in a host of its own. A command does not
 * outlive its supervisor, as it does not outlive containerd's shim: who waits for it is gone. What a supervisor that
 * was killed has left running, the next one ends by the record that stands in the container's folder.
 */
export class Commands {
  readonly #context: SupervisorContext;
  readonly #directory: string;
  readonly #hold: (host: ChildHost) => Promise<void>;
  readonly #running = new Set<Command>();
  #endedCpuNanoSeconds = 0;

  /**
   * @param directory the container's folder
   * @param hold puts a host under the container's limits, before it is told what to run
   */
  constructor(context: SupervisorContext, directory: string, hold: (host: ChildHost) => Promise<void>) {
    this.#context = context;
    this.#hold = hold;
    this.#directory = directory;
  }

  /**
   * Runs a command to its end.
   * @returns its exit code: 128 + the number of the signal that ended it
   * @throws WasmletError FailedPrecondition when it cannot be started; DeadlineExceeded; Cancelled by the signal
   */
  async run(request: CommandRequest): Promise<number> {
    const { pool, runDirectory } = this.#context;
    const host = pool.claim({ netns: request.netns, guest: request.start, like: request.containerPid });
    const command = new Command(host, request, pooledErrorPath(runDirectory, host.id));
    // From here on the end of the container ends it too.
    this.#running.add(command);
    try {
      command.noted = this.#note(host);
      await command.noted;
      await this.#hold(host);
      return await command.run();
    } finally {
      await command.kill();
      host.release();
      this.#endedCpuNanoSeconds += command.cpuNanoSeconds;
      this.#running.delete(command);
      removeHostFiles(runDirectory, host.id);
      await rm(commandPath(this.#directory, host.id), { force: true });
      pool.refill();
    }
  }

  /**
   * Notes whose process this is, before it is told what to run: until then it ends by itself when its supervisor goes.
   * No power cut outlives a process, so nothing has to be synced.
   */
  async #note({ id, identity }: ChildHost): Promise<void> {
    await makeFolder(commandsDirectory(this.#directory));
    const body: CommandRecord = { id, ...identity };
    const { kind, version } = COMMAND_RECORD;
    await writeFile(commandPath(this.#directory, id), JSON.stringify({ kind, version, body }), { mode: 0o600 });
  }

  /** Ends all of them. Resolves when their processes are gone and nothing is written into the folder any more. */
  async killAll(): Promise<void> {
    await Promise.allSettled([...this.#running].flatMap((command) => [command.kill(), command.noted]));
  }

  /** What the running commands use, and what those that have ended have used. */
  async usage(): Promise<ProcessUsage> {
    const usages = await Promise.all([...this.#running].map(({ host }) => processUsage(host.identity)));
    return usages.reduce<ProcessUsage>(addUsage, { ...NO_USAGE, cpuUsageCoreNanoSeconds: this.#endedCpuNanoSeconds });
  }
}

/** The sum of two processes' use; undefined is a process that is gone. */
export const addUsage = (sum: ProcessUsage, more: ProcessUsage = NO_USAGE): ProcessUsage => ({
  cpuUsageCoreNanoSeconds: sum.cpuUsageCoreNanoSeconds + more.cpuUsageCoreNanoSeconds,
  memoryWorkingSetBytes: sum.memoryWorkingSetBytes + more.memoryWorkingSetBytes,
});

/** One command. */
class Command {
  readonly host: ChildHost;
  /** CPU time, known once it has ended. */
  cpuNanoSeconds = 0;
  /** Settles when its record stands, or cannot. */
  noted: Promise<void> = Promise.resolve();
  readonly #request: CommandRequest;
  readonly #errorPath: string;
  readonly #answered = Promise.withResolvers<HostAnswer | undefined>();

  constructor(host: ChildHost, request: CommandRequest, errorPath: string) {
    this.host = host;
    this.#request = request;
    this.#errorPath = errorPath;
  }

  async run(): Promise<number> {
    const { start, startTimeoutMs, timeoutSeconds, signal } = this.#request;
    const ended = Promise.withResolvers<never>();
    const cancel = () => ended.reject(new WasmletError('Cancelled', 'failed to exec in container: context canceled'));
    if (signal.aborted) cancel();
    signal.addEventListener('abort', cancel, { once: true });
    const said = this.host.exec(start, (message) => this.#hear(message));
    // A host that has ended answers no more; what it threw is told below.
    said.catch(() => undefined).finally(() => this.#answered.resolve(undefined));
    try {
      using starting = timer(startTimeoutMs, 'the host process did not answer in time');
      const answer = await Promise.race([this.#answered.promise, starting.expired, ended.promise]);
      if (answer?.type === 'startFailed') throw startFailure(answer.message + this.#hint(answer.message));
      using running = timer(timeoutSeconds * 1000, `timeout ${timeoutSeconds}s exceeded: context deadline exceeded`);
      await Promise.race([said, running.expired, ended.promise]);
      return await this.#exitCode(answer !== undefined);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  #hint(reason: string): string {
    const { onlyProgram } = this.#request;
    if (onlyProgram === undefined || !/not found in \$PATH$|no such file or directory$/.test(reason)) return '';
    return `: the image is a bare module, so ${JSON.stringify(onlyProgram)} is the only program in it`;
  }

  #hear(message: HostMessage): Promise<undefined> | undefined {
    if (message.type === 'output') {
      return this.#request.output(message.stream, Buffer.from(message.data, 'base64'));
    }
    if (message.type === 'finished') this.cpuNanoSeconds = message.cpuMicroseconds * 1000;
    else this.#answered.resolve(message);
    return undefined;
  }

  async #exitCode(started: boolean): Promise<number> {
    const end = await this.host.ended;
    // A fatal error of the engine: what it wrote is all that anyone will learn of it.
    const words = end.signal === 'SIGKILL' ? '' : lastWords(this.#errorPath);
    if (!started && end.signal !== 'SIGKILL') throw startFailure(words || 'the host process ended without an answer');
    if (words !== '') await this.#request.output('stderr', Buffer.from(`${words}\n`));
    return exitCodeOf(end);
  }

  /** Ends it if it runs still. */
  async kill(): Promise<void> {
    const usage = await processUsage(this.host.identity);
    if (signalHost(this.host, 'SIGKILL') && usage) this.cpuNanoSeconds = usage.cpuUsageCoreNanoSeconds;
    await this.host.ended;
  }
}

/** Not what is above it: the container's folder may be gone by now, and stays so. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

const exitCodeOf = ({ code, signal }: HostEnd): number =>
  signal === null ? (code ?? 1) : 128 + constants.signals[signal];

/** runc's words, as they reach the users of a kubelet. */
const startFailure = (reason: string): WasmletError =>
  new WasmletError(
    'FailedPrecondition',
    'failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: ' +
      `unable to start container process: ${reason}`,
  );

/** A deadline for a race; 0: none. */
function timer(milliseconds: number, message: string): Disposable & { readonly expired: Promise<never> } {
  const { promise, reject } = Promise.withResolvers<never>();
  const expire = () => reject(new WasmletError('DeadlineExceeded', `failed to exec in container: ${message}`));
  const timeout = milliseconds === 0 ? undefined : setTimeout(expire, milliseconds);
  return { expired: promise, [Symbol.dispose]: () => clearTimeout(timeout) };
}

/**
 * Ends the commands that a supervisor which was killed has left in a container.
 * @param directory the container's folder
 */
export async function endLeftCommands(directory: string, { logger }: SupervisorContext): Promise<void> {
  const folder = commandsDirectory(directory);
  for (const name of await namesIn(folder)) {
    try {
      const host = await readRecord(join(folder, name), COMMAND_RECORD);
      if (host && isAlive(host)) signalProcess(host, 'SIGKILL');
    } catch (error) {
      // Half written: its host has never got a request, and ended with its supervisor.
      logger.info('a record of a command cannot be read', { record: join(folder, name), error: messageOf(error) });
    }
  }
  await rm(folder, { recursive: true, force: true });
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

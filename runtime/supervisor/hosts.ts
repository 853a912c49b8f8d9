import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { WasmletError } from '../../base/errors.ts';
import { isSettledWithin } from '../../base/within.ts';
import { admit } from '../sandbox/confinement/admission.ts';
import type { Confinement, HostLaunch, LaunchOptions } from '../sandbox/confinement/confinement.ts';
import { nextChunk } from '../sandbox/confinement/own-users.ts';
import type { MountedRoot } from '../sandbox/confinement/reach.ts';
import { insideNamespace } from '../sandbox/network/namespace.ts';
import { encodeMessage, MessageReader } from '../framing.ts';
import { HOST_PROTOCOL_VERSION, LIFE_FD, SUPERVISOR_FD } from '../host/protocol.ts';
import type { HostAnswer, HostExec, HostReport, HostRequest, HostShare, HostStart } from '../host/protocol.ts';
import { identityOf, isAlive, signalProcess } from '../../base/process.ts';
import type { ProcessIdentity } from '../../base/process.ts';
import { processUsage } from './stats.ts';
import type { ProcessUsage } from './stats.ts';

/** How a host process ended. Both are null where nobody who may know it (its parent) was there. */
export interface HostEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What runs one container: a host process, or its part of one that others share (shared/guest.ts). */
export interface Host {
  readonly id: string;
  readonly identity: ProcessIdentity;
  /** Resolves when the process is gone, or the guest in it. */
  readonly ended: Promise<HostEnd>;
  /** Set where the process is not the container's alone. */
  readonly shared?: {
    /** @returns false when it has ended */
    readonly signal: (signal: NodeJS.Signals) => boolean;
    /** undefined when it has ended */
    readonly usage: () => Promise<ProcessUsage | undefined>;
    /** For people: which process that is. */
    readonly description: string;
  };
}

/** @returns false when the process is gone, or the guest in it */
export const signalHost = (host: Host, signal: NodeJS.Signals): boolean =>
  host.shared ? host.shared.signal(signal) : signalProcess(host.identity, signal);

/** What a host uses for its container; undefined when it is gone. */
export const hostUsage = (host: Host): Promise<ProcessUsage | undefined> =>
  host.shared ? host.shared.usage() : processUsage(host.identity);

/** sun_path holds 108 bytes, the terminating zero included (unix(7)). */
export const MAX_SOCKET_PATH_BYTES = 107;

/**
 * A host's own socket.
 * @throws WasmletError InvalidConfig when the kernel would cut the path off
 */
export function hostSocketPath(runDirectory: string, id: string): string {
  const path = join(runDirectory, `${id}.sock`);
  const length = Buffer.byteLength(path);
  if (length <= MAX_SOCKET_PATH_BYTES) return path;
  throw new WasmletError(
    'InvalidConfig',
    `socket path ${path} has ${length} bytes, Unix allows ${MAX_SOCKET_PATH_BYTES}; choose a shorter rootDir`,
  );
}

/** What confined hosts have as their '/'. */
export const hostRootPath = (runDirectory: string): string => join(runDirectory, 'root');

/** Where a host's stderr goes until it has a container. */
export const pooledErrorPath = (runDirectory: string, id: string): string => join(runDirectory, `${id}.stderr`);

/**
 * Warnings would only fill host.stderr. A host makes no system calls of its own and loads no native code. SIGUSR1 is the guest's and starts no debugger. A small young generation keeps a busy guest's host small; none of V8's other
 * flags makes one that sleeps smaller (measured: docs/RATIONALE.md).
 */
export const NODE_FLAGS: readonly string[] = [
  ...['--no-warnings', '--no-experimental-ffi', '--no-addons'],
  ...['--disable-sigusr1', '--max-semi-space-size=1'],
];

/** The first descriptor that a host inherits beyond its protocol's. */
const FIRST_FREE_FD = LIFE_FD + 1;

/** A listening socket that a host inherits. */
interface LifeSocket extends Disposable {
  readonly fd: number;
}

/**
 * Binds a host's own socket for it: so it needs no networking code, which would be memory of every pod. Disposed of,
 * the socket's file stays, and the host's share of it goes on listening.
 * @throws WasmletError Unavailable
 */
function bindLifeSocket(path: string): LifeSocket {
  // libuv removes the path that it has bound when it closes the socket; as long as the name that it gets.
  const bound = path.replace(/sock$/, 'bind');
  const server = createServer();
  // What cannot be bound shows in the handle.
  server.on('error', () => undefined).listen(bound);
  try {
    // The documentation of server.listen speaks of this member, Node's types do not. It is there at once: binding a
    // path is synchronous.
    const fd = (server as unknown as { _handle?: { fd?: number } | null })._handle?.fd;
    if (fd === undefined || fd < 0) throw new WasmletError('Unavailable', `the socket ${path} cannot be bound`);
    renameSync(bound, path);
    return { fd, [Symbol.dispose]: () => void server.close() };
  } catch (error) {
    server.close();
    throw error;
  }
}

/** What a host says goes here; the next is read once the promise has resolved, and the host waits meanwhile. */
export type HostListener = (message: HostMessage) => Promise<undefined> | undefined;

export type HostMessage = HostAnswer | HostReport;

type WithoutHead<T> = Omit<T, 'v' | 'type'>;

const MAX_ANSWER_BYTES = 64 * 1024;

const messageSchema = z.discriminatedUnion('type', [
  z.object({ v: z.number(), type: z.literal('started'), startedAt: z.string() }),
  z.object({ v: z.number(), type: z.literal('startFailed'), message: z.string() }),
  z.object({ v: z.number(), type: z.literal('output'), stream: z.enum(['stdout', 'stderr']), data: z.string() }),
  z.object({ v: z.number(), type: z.literal('finished'), cpuMicroseconds: z.number() }),
]) satisfies z.ZodType<HostMessage>;

/** Where and how a host is to be started. */
export interface HostPlace extends LaunchOptions {
  readonly confinement: Confinement;
  readonly runDirectory: string;
  /** Path of the network namespace that it runs in; undefined: the supervisor's. */
  readonly netns?: string | undefined;
  /** Whether it reads what this process would from its descriptor 0. Default: it has none to read. */
  readonly stdin?: 'inherit' | 'ignore';
  /** Milliseconds until it has to wait for its request. Default: 60 000. */
  readonly readyTimeoutMs?: number;
}

/** Node starts in less than a second, on a machine with a hundred times too much to do in a minute. */
const READY_TIMEOUT_MS = 60_000;

interface Spawned extends Pick<HostPlace, 'runDirectory' | 'readyTimeoutMs'> {
  readonly id: string;
  readonly child: ChildProcess;
  readonly pid: number;
  readonly launched: HostLaunch;
}

/** A host that this supervisor has started: it waits on it and so knows how it ends. */
export class ChildHost implements Host {
  readonly id: string;
  readonly identity: ProcessIdentity;
  readonly ended: Promise<HostEnd>;
  /** Resolves when the host waits for its request, or is gone. */
  readonly ready: Promise<void>;
  readonly #socket: Socket;
  readonly #runDirectory: string;

  private constructor({ id, child, pid, runDirectory, launched, readyTimeoutMs = READY_TIMEOUT_MS }: Spawned) {
    this.id = id;
    this.#runDirectory = runDirectory;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.identity = identityOf(pid);
    this.#socket = child.stdio[SUPERVISOR_FD] as Socket;
    this.#socket.on('error', () => undefined).unref();
    const wait = (): Promise<void> => nextChunk(this.#socket);
    // What could not be given to it, it says itself: its launcher has failed.
    this.ready = launched.begin(pid, this.#socket).then(wait, wait);
    void this.ready.then(launched.settle);
    void this.#endUnlessReady(readyTimeoutMs);
    // A host outlives its supervisor, so it must not keep the supervisor from ending.
    child.unref();
  }

  /** Ends a process that neither comes up nor ends: who waits for it to be ready learns of that. */
  async #endUnlessReady(milliseconds: number): Promise<void> {
    if (!(await isSettledWithin(this.ready, milliseconds))) signalProcess(this.identity, 'SIGKILL');
  }

  /**
   * Starts a host in a session of its own, confined, with an empty environment: nothing of the supervisor's reaches a
   * guest.
   * @throws WasmletError Unavailable when the process cannot be started
   */
  static spawn({
    confinement,
    runDirectory,
    netns,
    stdin = 'ignore',
    readyTimeoutMs,
    ...options
  }: HostPlace): ChildHost {
    const id = randomBytes(8).toString('hex');
    const socketPath = hostSocketPath(runDirectory, id);
    const errorPath = pooledErrorPath(runDirectory, id);
    const stderr = openSync(errorPath, 'a', 0o600);
    try {
      using life = bindLifeSocket(socketPath);
      using launched = confinement.launch(NODE_FLAGS, FIRST_FREE_FD, options);
      const [program, args] = netns === undefined ? launched.command : insideNamespace(netns, ...launched.command);
      const child = spawn(program, args, {
        cwd: runDirectory,
        detached: true,
        env: process.env['TZ'] === undefined ? {} : { TZ: process.env['TZ'] },
        // From SUPERVISOR_FD and LIFE_FD on. Nothing of 'ignore': that is the machine's own /dev/null, and a host that has
        // the node's users could change its mode, for all.
        stdio: [stdin === 'inherit' ? stdin : stderr, stderr, stderr, 'pipe', life.fd, ...launched.descriptors],
      });
      child.on('error', () => undefined);
      if (child.pid === undefined) throw new WasmletError('Unavailable', 'a host process could not be started');
      const bound = readyTimeoutMs === undefined ? {} : { readyTimeoutMs };
      return new ChildHost({ id, child, pid: child.pid, runDirectory, launched, ...bound });
    } catch (error) {
      rmSync(errorPath, { force: true });
      rmSync(socketPath, { force: true });
      throw error;
    } finally {
      closeSync(stderr);
    }
  }

  /**
   * Gives the host its container.
   * @returns its answer, or undefined when it ended without one
   * @throws WasmletError DeadlineExceeded when it answers nothing for `timeoutMs`
   */
  start(request: WithoutHead<HostStart> & MountedRoot, timeoutMs: number): Promise<HostAnswer | undefined> {
    return this.#begin({ v: HOST_PROTOCOL_VERSION, type: 'start', ...request }, timeoutMs);
  }

  /**
   * Makes the host one that many containers share.
   * @returns and throws as `start`
   */
  share(request: WithoutHead<HostShare>, timeoutMs: number): Promise<HostAnswer | undefined> {
    return this.#begin({ v: HOST_PROTOCOL_VERSION, type: 'share', ...request }, timeoutMs);
  }

  async #begin(request: (HostStart & MountedRoot) | HostShare, timeoutMs: number): Promise<HostAnswer | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<HostAnswer | undefined>();
    const timer = setTimeout(() => {
      reject(new WasmletError('DeadlineExceeded', `the host process did not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    this.#converse(request, (message) => {
      if (message.type === 'started' || message.type === 'startFailed') resolve(message);
      return undefined;
      // Not the process's exit, which may be known before what it last said is read.
    }).then(() => resolve(undefined), reject);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Gives the host a command to run in a container.
   * @returns resolves when the host has said all that it will; `ended` then tells how it ended
   * @throws WasmletError Internal when it does not speak the protocol; what `listener` throws
   */
  exec(request: WithoutHead<HostExec> & MountedRoot, listener: HostListener): Promise<void> {
    return this.#converse({ v: HOST_PROTOCOL_VERSION, type: 'exec', ...request }, listener);
  }

  /** Sends the one request and hands on what the host says, in order, until it closes. */
  async #converse({ rootMount, ...request }: HostRequest & MountedRoot, listener: HostListener): Promise<void> {
    await this.ready;
    if (this.#socket.destroyed || !isAlive(this.identity)) return;
    const admitted =
      // One that is to be shared is told of its containers later.
      request.type === 'share'
        ? request
        : admit(hostRootPath(this.#runDirectory), this.identity.pid, request, rootMount);
    const reader = new MessageReader(MAX_ANSWER_BYTES);
    const handOn = async (chunk: Buffer): Promise<void> => {
      for (const message of reader.push(chunk)) await listener(this.#parse(message));
    };
    await new Promise<void>((resolve, reject) => {
      this.#socket.on('data', (chunk: Buffer) => {
        this.#socket.pause();
        handOn(chunk).then(
          () => this.#socket.resume(),
          (error: unknown) => {
            this.#socket.destroy();
            reject(error instanceof Error ? error : new Error(String(error)));
          },
        );
      });
      this.#socket.once('close', () => resolve());
      this.#socket.resume();
      this.#socket.write(encodeMessage(admitted));
    });
  }

  #parse(message: object): HostMessage {
    const parsed = messageSchema.safeParse(message);
    if (parsed.success) return parsed.data;
    throw new WasmletError('Internal', `host process ${this.identity.pid} answered nonsense`, { cause: parsed.error });
  }

  /** Lets go of a host that has no container, or whose command is over: one that waits ends by itself. */
  release(): void {
    this.#socket.destroy();
  }
}

const RECONNECT_MS = 100;

/** A host of an earlier supervisor. Its open connection tells of its end; the exit code is its former parent's. */
export class AdoptedHost implements Host {
  readonly id: string;
  readonly identity: ProcessIdentity;
  readonly ended: Promise<HostEnd>;

  /** @param signal ends the watch, not the host: `ended` then stays unresolved */
  constructor(id: string, identity: ProcessIdentity, runDirectory: string, signal: AbortSignal) {
    this.id = id;
    this.identity = identity;
    this.ended = new Promise((resolve) => {
      void watchUntilGone(identity, hostSocketPath(runDirectory, id), signal).then((gone) => {
        if (gone) resolve({ code: null, signal: null });
      });
    });
  }
}

/**
 * Waits until a process that is not a child is gone. Its listening socket accepts from the kernel's backlog even while
 * its event loop does not turn, and the kernel closes the connection when the process ends, however it ends. Where
 * there is no connection, or it closes and the process is there still, /proc decides.
 * @returns false when the watch was ended by `signal`
 */
async function watchUntilGone(identity: ProcessIdentity, socketPath: string, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if (!isAlive(identity)) return true;
    await connectionClosed(socketPath, signal);
    if (!isAlive(identity)) return true;
    // A process that ends closes its descriptors a moment before it is gone.
    await delay(RECONNECT_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
  return false;
}

function connectionClosed(path: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ path, signal });
    socket.on('error', () => undefined);
    socket.once('close', () => resolve());
    socket.resume().unref();
  });
}

import { mkdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { messageOf, WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { encodeMessage, MessageReader } from '../framing.ts';
import { isMethod, MAX_MESSAGE_BYTES, METHODS, PROTOCOL_VERSION, request, versioned } from '../protocol.ts';
import type { Method, Params, Response, Result } from '../protocol.ts';
import { dispatch } from './dispatch.ts';
import { MAX_SOCKET_PATH_BYTES } from './hosts.ts';
import type { Runtime } from './runtime.ts';

/** Agents on one machine, and whoever asks from the command line. */
const MAX_CONNECTIONS = 64;

/** Bytes that a client may leave unread before its connection is closed. */
const MAX_UNREAD_BYTES = 2 * MAX_MESSAGE_BYTES;

/** Requests of one connection that may be under way: all of a full node's pods at once fit. */
const MAX_PENDING_REQUESTS = 4096;

/** One client. */
class Connection {
  readonly #socket: Socket;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  readonly #reader = new MessageReader(MAX_MESSAGE_BYTES);
  /** What ends a stream of events or a command, by the id of the request that began it. */
  readonly #streams = new Map<number, () => void>();
  /** Wakes the commands that are held up because the client is behind with reading. */
  #drained: PromiseWithResolvers<undefined> | undefined;
  #pending = 0;

  constructor(socket: Socket, runtime: Runtime, logger: Logger) {
    this.#socket = socket;
    this.#runtime = runtime;
    this.#logger = logger;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#wake());
    socket.on('close', () => {
      for (const end of this.#streams.values()) end();
      this.#wake();
    });
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#reader.push(chunk)) this.#accept(message);
    } catch (error) {
      // Who does not speak the protocol cannot be answered in it.
      this.#logger.warn('a client of the runtime socket is cut off', { error: messageOf(error) });
      this.#socket.destroy();
    }
  }

  #accept(message: object): void {
    const head = versioned.safeParse(message);
    const parsed = request.safeParse(message);
    if (!head.success || !parsed.success) throw new WasmletError('InvalidArgument', 'a message is no request');
    const { id, method, params } = parsed.data;
    if (head.data.v !== PROTOCOL_VERSION) {
      const text = `the supervisor speaks version ${PROTOCOL_VERSION} of the protocol, the client ${head.data.v}`;
      this.#send({ id, error: { code: 'FailedPrecondition', message: text } });
      return;
    }
    if (!isMethod(method)) {
      this.#send({ id, error: { code: 'InvalidArgument', message: `the supervisor knows no method ${method}` } });
      return;
    }
    if (this.#pending >= MAX_PENDING_REQUESTS) throw new WasmletError('InvalidArgument', 'too many requests at once');
    this.#pending++;
    void this.#answer(id, method, params).finally(() => this.#pending--);
  }

  async #answer(id: number, method: Method, params: readonly unknown[]): Promise<void> {
    try {
      const parsed = METHODS[method].params.safeParse(params);
      if (!parsed.success) {
        throw new WasmletError('InvalidArgument', `${method}: ${parsed.error.message}`, { cause: parsed.error });
      }
      this.#send({ id, result: await this.#run(id, method, parsed.data) });
    } catch (error) {
      if (!(error instanceof WasmletError)) this.#logger.error('a runtime request failed', { method, error });
      const code = error instanceof WasmletError ? error.code : 'Internal';
      this.#send({ id, error: { code, message: messageOf(error) } });
    }
  }

  async #run(id: number, method: Method, params: unknown): Promise<unknown> {
    switch (method) {
      case 'containerEvents':
        this.#subscribe(id);
        return null;
      case 'exec':
        return await this.#exec(id, params as Params<'exec'>);
      case 'cancel':
        this.#cancel((params as Params<'cancel'>)[0]);
        return null;
      default:
        return await dispatch(this.#runtime, method, params);
    }
  }

  #subscribe(id: number): void {
    this.#streams.set(
      id,
      this.#runtime.context.events.listen((event) => this.#send({ id, event })),
    );
  }

  async #exec(id: number, [containerId, request]: Params<'exec'>): Promise<Result<'exec'>> {
    const ended = new AbortController();
    this.#streams.set(id, () => ended.abort());
    if (this.#socket.destroyed) ended.abort();
    const left = { stdout: request.maxOutputBytes ?? Infinity, stderr: request.maxOutputBytes ?? Infinity };
    try {
      const exitCode = await this.#runtime.container(containerId).exec({
        command: request.command,
        timeoutSeconds: request.timeoutSeconds,
        signal: ended.signal,
        output: (stream, data) => {
          const piece = data.subarray(0, left[stream]);
          left[stream] -= piece.length;
          return piece.length === 0 ? undefined : this.#sendOutput(id, stream, piece);
        },
      });
      return { exitCode };
    } finally {
      this.#streams.delete(id);
    }
  }

  /** @returns resolves when the client has read enough for more */
  #sendOutput(id: number, stream: 'stdout' | 'stderr', data: Buffer): Promise<undefined> | undefined {
    this.#send({ id, output: { stream, data: data.toString('base64') } });
    if (this.#socket.destroyed || !this.#socket.writableNeedDrain) return undefined;
    this.#drained ??= Promise.withResolvers<undefined>();
    return this.#drained.promise;
  }

  #wake(): void {
    this.#drained?.resolve(undefined);
    this.#drained = undefined;
  }

  #cancel(id: number): void {
    this.#streams.get(id)?.();
    this.#streams.delete(id);
  }

  #send(response: Response): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(encodeMessage({ v: PROTOCOL_VERSION, ...response }));
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) {
      this.#logger.warn('a client of the runtime socket does not read, and is cut off');
      this.#socket.destroy();
    }
  }
}

export interface RuntimeServer extends AsyncDisposable {
  /** Whether there is a client, or has been one since this was asked last. */
  wasUsed(): boolean;
}

/**
 * Serves the runtime on a Unix socket that only this user may open. The caller holds the root's lock, so a socket that
 * is there already is a dead supervisor's.
 * @throws WasmletError InvalidConfig when the path is too long
 */
export async function serve(socketPath: string, runtime: Runtime, logger: Logger): Promise<RuntimeServer> {
  const length = Buffer.byteLength(socketPath);
  if (length > MAX_SOCKET_PATH_BYTES) {
    throw new WasmletError(
      'InvalidConfig',
      `socket path ${socketPath} has ${length} bytes, Unix allows ${MAX_SOCKET_PATH_BYTES}; set a shorter runtimeSocket`,
    );
  }
  await mkdir(dirname(socketPath), { recursive: true });
  await rm(socketPath, { force: true });
  const sockets = new Set<Socket>();
  let hadClient = false;
  const server = createServer((socket) => {
    hadClient = true;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    new Connection(socket, runtime, logger);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    const mask = process.umask(0o177);
    server.once('error', reject).listen(socketPath, () => resolve());
    process.umask(mask);
  });
  return {
    wasUsed: () => {
      const used = hadClient;
      hadClient = sockets.size > 0;
      return used || hadClient;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

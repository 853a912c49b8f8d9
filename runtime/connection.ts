import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { errnoOf, messageOf, WasmletError } from '../base/errors.ts';
import { encodeMessage, MessageReader } from './framing.ts';
import { MAX_MESSAGE_BYTES, METHODS, PROTOCOL_VERSION, response, versioned } from './protocol.ts';
import type { Method, Params, Response, Result } from './protocol.ts';
import type { ExecOutput } from './schemas.ts';
import type { ContainerEvent } from './service.ts';

const CONNECT_TIMEOUT_MS = 5_000;

/** Events that a reader may be behind. One who is further behind has to list anew anyway. */
const MAX_QUEUED_EVENTS = 10_000;

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly output?: (output: ExecOutput) => void;
}

/** How a command is run, seen from the client. */
export interface ExecCall {
  /** Until the answer; Infinity: none. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onOutput: (output: ExecOutput) => void;
}

/** A stream of events that is being read. */
class EventQueue {
  readonly #events: ContainerEvent[] = [];
  #failure: Error | undefined;
  #wake: () => void = () => undefined;

  push(event: ContainerEvent): void {
    if (this.#events.length >= MAX_QUEUED_EVENTS) this.fail(new WasmletError('Unavailable', 'too many events unread'));
    else this.#events.push(event);
    this.#wake();
  }

  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** The next event; undefined once `signal` has ended the stream. @throws what ended it otherwise */
  async next(signal: AbortSignal): Promise<ContainerEvent | undefined> {
    for (;;) {
      if (signal.aborted) return undefined;
      const event = this.#events.shift();
      if (event) return event;
      if (this.#failure) throw this.#failure;
      await this.#woken(signal);
    }
  }

  #woken(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener('abort', wake);
    });
  }
}

/** One connection to a supervisor. It is made once and not made again: RuntimeClient makes the next. */
export class RuntimeConnection {
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  readonly #streams = new Map<number, EventQueue>();
  #nextId = 1;
  #lost: WasmletError | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new MessageReader(MAX_MESSAGE_BYTES);
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) this.#receive(message);
      } catch (error) {
        this.#lose(`the runtime supervisor does not speak this protocol: ${messageOf(error)}`);
      }
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.#lose('the connection to the runtime supervisor was lost'));
  }

  /**
   * @returns undefined when nobody listens there
   * @throws WasmletError Unavailable when the socket cannot be used (permission, a path that is too long)
   */
  static async open(path: string): Promise<RuntimeConnection | undefined> {
    const socket = connect({ path });
    const timer = setTimeout(() => socket.destroy(new Error('no answer')), CONNECT_TIMEOUT_MS);
    try {
      await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
      return new RuntimeConnection(socket);
    } catch (cause) {
      socket.destroy();
      if (['ENOENT', 'ECONNREFUSED'].includes(errnoOf(cause) ?? '')) return undefined;
      throw new WasmletError('Unavailable', `runtime socket ${path}: ${messageOf(cause)}`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  get closed(): boolean {
    return this.#lost !== undefined;
  }

  #receive(message: object): void {
    if (versioned.parse(message).v !== PROTOCOL_VERSION) throw new Error('another version');
    const answer: Response = response.parse(message);
    if ('event' in answer) {
      this.#streams.get(answer.id)?.push(answer.event);
      return;
    }
    const pending = this.#pending.get(answer.id);
    if ('output' in answer) {
      pending?.output?.(answer.output);
      return;
    }
    this.#pending.delete(answer.id);
    if ('error' in answer) pending?.reject(new WasmletError(answer.error.code, answer.error.message));
    else pending?.resolve(answer.result);
  }

  /**
   * @throws WasmletError what the supervisor answers; Unavailable when the connection is lost; DeadlineExceeded;
   *   Internal for an answer of the wrong form
   */
  async request<M extends Method>(method: M, params: Params<M>, timeoutMs: number): Promise<Result<M>> {
    return await this.#request(this.#nextId++, method, params, timeoutMs);
  }

  async #request<M extends Method>(
    id: number,
    method: M,
    params: Params<M>,
    timeoutMs: number,
    output?: Pending['output'],
  ): Promise<Result<M>> {
    if (this.#lost) throw this.#lost;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject, ...(output ? { output } : {}) });
    const expire = () => {
      reject(
        new WasmletError('DeadlineExceeded', `the runtime supervisor did not answer ${method} in ${timeoutMs} ms`),
      );
    };
    const timer = timeoutMs === Infinity ? undefined : setTimeout(expire, timeoutMs);
    try {
      const line = encodeMessage({ v: PROTOCOL_VERSION, id, method, params });
      if (Buffer.byteLength(line) > MAX_MESSAGE_BYTES) {
        throw new WasmletError('InvalidArgument', `${method}: the request exceeds ${MAX_MESSAGE_BYTES} bytes`);
      }
      this.#socket.write(line);
      const result = METHODS[method].result.safeParse(await promise);
      if (result.success) return result.data as Result<M>;
      throw new WasmletError('Internal', `the runtime supervisor answered ${method} in a wrong form`, {
        cause: result.error,
      });
    } finally {
      clearTimeout(timer);
      this.#pending.delete(id);
    }
  }

  /**
   * Runs a command in a container. Whatever ends this call before the command ends the command too.
   * @throws WasmletError as `request`; Cancelled when the signal ended it
   */
  async exec(params: Params<'exec'>, { timeoutMs, signal, onOutput }: ExecCall): Promise<Result<'exec'>> {
    const id = this.#nextId++;
    const cancelled = new WasmletError('Cancelled', 'the command was given up');
    if (signal?.aborted) throw cancelled;
    const cancel = () => this.#pending.get(id)?.reject(cancelled);
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await this.#request(id, 'exec', params, timeoutMs, onOutput);
    } catch (error) {
      // Where the supervisor has answered, this is one message too many, and does nothing.
      if (!this.#lost) this.request('cancel', [id], CONNECT_TIMEOUT_MS).catch(() => undefined);
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /**
   * Subscribes to events, from this call on and not only from the first read: what is listed after it misses nothing.
   * @param signal ends the stream
   * @returns the stream; it throws WasmletError Unavailable when the connection is lost or the reader is too slow
   */
  events(signal: AbortSignal, timeoutMs: number): AsyncIterable<ContainerEvent> {
    const id = this.#nextId++;
    const queue = new EventQueue();
    this.#streams.set(id, queue);
    const cancel = () => {
      this.#streams.delete(id);
      if (!this.#lost) this.request('cancel', [id], timeoutMs).catch(() => undefined);
    };
    if (signal.aborted) this.#streams.delete(id);
    else signal.addEventListener('abort', cancel, { once: true });
    this.#request(id, 'containerEvents', [], timeoutMs).catch((error: unknown) => {
      queue.fail(error instanceof Error ? error : new Error(String(error)));
    });
    return (async function* () {
      try {
        for (let event = await queue.next(signal); event; event = await queue.next(signal)) yield event;
      } finally {
        signal.removeEventListener('abort', cancel);
        if (!signal.aborted) cancel();
      }
    })();
  }

  #lose(message: string): void {
    if (this.#lost) return;
    this.#lost = new WasmletError('Unavailable', message);
    this.#socket.destroy();
    for (const { reject } of this.#pending.values()) reject(this.#lost);
    this.#pending.clear();
    for (const stream of this.#streams.values()) stream.fail(this.#lost);
  }

  close(): void {
    this.#lose('the connection to the runtime supervisor was closed');
  }
}

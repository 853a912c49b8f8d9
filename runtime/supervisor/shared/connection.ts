import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { z } from 'zod';
import { WasmletError } from '../../../base/errors.ts';
import { encodeMessage, MessageReader } from '../../framing.ts';
import { MAX_SHARED_MESSAGE_BYTES, SHARED_PROTOCOL_VERSION } from '../../host/shared/protocol.ts';
import type { SharedReply, SharedRequest } from '../../host/shared/protocol.ts';

const replySchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('started'), startedAt: z.string() }),
  z.object({ type: z.literal('startFailed'), message: z.string() }),
  z.object({ type: z.literal('done'), runs: z.boolean() }),
  z.object({
    type: z.literal('usage'),
    containers: z.array(z.object({ container: z.string(), cpuNanoseconds: z.number(), memoryBytes: z.number() })),
  }),
  z.object({ type: z.literal('failed'), message: z.string() }),
]) satisfies z.ZodType<SharedReply>;

const messageSchema = z.union([
  z.object({ type: z.literal('exited'), container: z.string() }),
  z.intersection(z.object({ id: z.number() }), replySchema),
]);

type Pending = Pick<PromiseWithResolvers<SharedReply>, 'resolve' | 'reject'>;

export interface ConnectionListener {
  /** A container has ended, and its exit record stands. */
  exited(container: string): void;
  /** Once; the host may still be there. */
  closed(): void;
}

/** The supervisor's connection to a shared host, through the host's own socket. */
export class SharedConnection {
  readonly #socket: Socket;
  readonly #listener: ConnectionListener;
  readonly #reader = new MessageReader(MAX_SHARED_MESSAGE_BYTES);
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #closed = false;

  constructor(path: string, listener: ConnectionListener) {
    this.#listener = listener;
    this.#socket = connect(path);
    // Who waits for an answer is held by something else; a host outlives its supervisor.
    this.#socket.unref();
    this.#socket.on('error', () => undefined);
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.once('close', () => this.#end());
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#reader.push(chunk)) this.#accept(messageSchema.parse(message));
    } catch {
      // A host that does not speak the protocol is of no use; `closed` has it ended.
      this.#socket.destroy();
    }
  }

  #accept(message: z.infer<typeof messageSchema>): void {
    if (message.type === 'exited') {
      this.#listener.exited(message.container);
      return;
    }
    this.#pending.get(message.id)?.resolve(message);
    this.#pending.delete(message.id);
  }

  #end(): void {
    this.#closed = true;
    const error = new WasmletError('Unavailable', 'the shared host process is gone');
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#listener.closed();
  }

  /**
   * Asks the host for something.
   * @throws WasmletError Unavailable when the host is gone; DeadlineExceeded when it answers nothing for `timeoutMs`
   */
  async request(request: SharedRequest, timeoutMs: number): Promise<SharedReply> {
    if (this.#closed) throw new WasmletError('Unavailable', 'the shared host process is gone');
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<SharedReply>();
    this.#pending.set(id, { resolve, reject });
    const timer = setTimeout(() => {
      this.#pending.delete(id);
      reject(new WasmletError('DeadlineExceeded', `the shared host process did not answer within ${timeoutMs} ms`));
    }, timeoutMs);
    this.#socket.write(encodeMessage({ v: SHARED_PROTOCOL_VERSION, id, ...request }));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}

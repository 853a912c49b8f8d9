import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { messageOf } from '../../../base/errors.ts';
import { encodeMessage, MessageReader } from '../../framing.ts';
import { LIFE_FD } from '../protocol.ts';
import { timeNow } from '../timestamp.ts';
import { SharedContainer } from './container.ts';
import type { SharedHostParts } from './container.ts';
import { MAX_SHARED_MESSAGE_BYTES, SHARED_PROTOCOL_VERSION } from './protocol.ts';
import type { Numbered, SharedExited, SharedMessage, SharedReply, SharedRequest, SharedStart } from './protocol.ts';

const v = SHARED_PROTOCOL_VERSION;

/** How long a host waits for the first word of a supervisor: one that died before it could say it leaves none behind. */
const PATIENCE_MS = 60_000;

/**
 * A host that many containers share. It serves whoever connects to its socket: the supervisor, and after that one's
 * death the next. It lives as long as it has containers or somebody is connected who has asked for something; others
 * only watch for its end.
 */
export class SharedHost {
  readonly #parts: SharedHostParts;
  readonly #title: string;
  readonly #containers = new Map<string, SharedContainer>();
  readonly #connections = new Set<Socket>();
  readonly #finished = Promise.withResolvers<undefined>();

  /** @param title what `ps` shows */
  constructor(parts: SharedHostParts, title: string) {
    this.#parts = parts;
    this.#title = title;
  }

  /** Serves until there is nothing to live for any more. */
  async serve(): Promise<void> {
    const server = createServer((socket) => this.#accept(socket));
    server.listen({ fd: LIFE_FD });
    this.#showTitle();
    const patience = setTimeout(() => this.#endIfIdle(), PATIENCE_MS);
    await this.#finished.promise;
    clearTimeout(patience);
    server.close();
  }

  #accept(socket: Socket): void {
    const reader = new MessageReader(MAX_SHARED_MESSAGE_BYTES);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      this.#connections.add(socket);
      try {
        for (const message of reader.push(chunk)) void this.#answer(socket, message as Numbered<SharedRequest>);
      } catch {
        // Who does not speak the protocol cannot be answered in it.
        socket.destroy();
      }
    });
    socket.on('close', () => {
      this.#connections.delete(socket);
      this.#endIfIdle();
    });
  }

  async #answer(socket: Socket, request: Numbered<SharedRequest>): Promise<void> {
    let reply: SharedReply;
    try {
      reply = await this.#perform(request);
    } catch (error) {
      reply = { type: request.type === 'start' ? 'startFailed' : 'failed', message: messageOf(error) };
    }
    send(socket, { v, id: request.id, ...reply });
  }

  async #perform(request: SharedRequest): Promise<SharedReply> {
    switch (request.type) {
      case 'start':
        return await this.#start(request.start);
      case 'signal':
        this.#containers.get(request.container)?.signal(request.signal);
        return { type: 'done', runs: this.#containers.has(request.container) };
      case 'usage':
        return { type: 'usage', containers: [...this.#containers.values()].map((container) => container.usage()) };
      default:
        return { type: 'failed', message: `this host knows no request ${JSON.stringify(request)}` };
    }
  }

  async #start(start: SharedStart): Promise<SharedReply> {
    const container = new SharedContainer(start, this.#parts);
    // From here on the host has something to live for.
    this.#containers.set(start.container, container);
    this.#showTitle();
    try {
      await container.load();
    } catch (error) {
      this.#forget(start.container);
      throw error;
    }
    void this.#run(start.container, container);
    return { type: 'started', startedAt: timeNow() };
  }

  async #run(id: string, container: SharedContainer): Promise<void> {
    try {
      await container.run();
    } catch (error) {
      // Its end cannot be noted: the supervisor says what it can of it. The others go on.
      process.stderr.write(`container ${id}: ${messageOf(error)}\n`);
    }
    for (const socket of this.#connections) send(socket, { v, type: 'exited', container: id });
    this.#forget(id);
  }

  #forget(id: string): void {
    this.#containers.delete(id);
    this.#showTitle();
    this.#endIfIdle();
  }

  #showTitle(): void {
    process.title = `${this.#title} (${this.#containers.size})`;
  }

  #endIfIdle(): void {
    if (this.#containers.size === 0 && this.#connections.size === 0) this.#finished.resolve(undefined);
  }
}

function send(socket: Socket, message: SharedMessage | SharedExited): void {
  if (!socket.destroyed) socket.write(encodeMessage(message));
}

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const MESSAGE = Buffer.alloc(1024, 'x');
/** The guest may say that it runs a moment before it listens. */
const CONNECT_TIMEOUT_MS = 60_000;
const RETRY_MS = 50;

/** Asks the guest `web-c echo PORT` for messages of 1 KiB, one after the other on one connection. */
export class EchoClient implements Disposable {
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    // Told of by what waits for an answer.
    socket.on('error', () => undefined);
  }

  /** @throws Error when nobody listens on this port of loopback for a minute */
  static async connect(port: number): Promise<EchoClient> {
    const deadline = Date.now() + CONNECT_TIMEOUT_MS;
    for (;;) {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      try {
        await once(socket, 'connect');
        return new EchoClient(socket);
      } catch (error) {
        socket.destroy();
        if (Date.now() > deadline) throw error;
      }
      await delay(RETRY_MS);
    }
  }

  /** One message there and back. @throws Error when the connection is closed before all of it is back */
  echo(): Promise<void> {
    const socket = this.#socket;
    return new Promise((resolve, reject) => {
      let missing = MESSAGE.length;
      const take = (chunk: Buffer) => {
        missing -= chunk.length;
        if (missing <= 0) finish();
      };
      const fail = () => finish(new Error('the connection was closed'));
      const finish = (error?: Error) => {
        socket.off('data', take).off('close', fail);
        if (error) reject(error);
        else resolve();
      };
      if (socket.destroyed) fail();
      else {
        socket.on('data', take).once('close', fail);
        socket.write(MESSAGE);
      }
    });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

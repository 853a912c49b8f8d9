import { randomInt } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { messageOf, WasmletError } from '../../base/errors.ts';
import type { PublishedPort } from './run.ts';

/**
 * An address that nobody else listens on: Linux has all of 127.0.0.0/8 for itself. What a guest listens on is there, and
 * so is reached from elsewhere only where it is published.
 */
export const loopbackOfItsOwn = (): string => `127.${randomInt(64, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;

/**
 * Listens on ports of this machine, and hands their connections on to the guest.
 * @param guest the address that it listens on
 * @throws WasmletError FailedPrecondition for a port that another has, or that this user may not have
 */
export async function publishPorts(ports: readonly PublishedPort[], guest: string): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  for (const port of ports) stack.use(await publishPort(port, guest));
  return stack.move();
}

async function publishPort({ address, hostPort, guestPort }: PublishedPort, guest: string): Promise<AsyncDisposable> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const inner = connect({ host: guest, port: guestPort, allowHalfOpen: true });
    for (const [from, to] of [
      [socket, inner],
      [inner, socket],
    ] as const) {
      open.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => open.delete(from));
      from.pipe(to);
    }
  });
  await listen(server, address, hostPort);
  return {
    [Symbol.asyncDispose]: async () => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      server.close(() => resolve(undefined));
      for (const socket of open) socket.destroy();
      await promise;
    },
  };
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const message = `--publish: ${address}:${port} cannot be listened on: ${messageOf(error)}`;
      reject(new WasmletError('FailedPrecondition', message, { cause: error }));
    });
    server.listen(port, address, () => resolve());
  });
}

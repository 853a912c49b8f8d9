import { lstat, mkdir, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { errnoOf, WasmletError } from '../../base/errors.ts';

/** sun_path holds 108 bytes, the terminating zero included (unix(7)). */
const MAX_PATH_BYTES = 107;

/** A kubelet has two connections; crictl one for each command. */
const MAX_CONNECTIONS = 256;

/**
 * The path of a socket that is named as kubelet and crictl do.
 * @param endpoint 'unix:///run/wasmlet/cri.sock', or the path alone
 * @throws WasmletError InvalidConfig
 */
export function socketPath(endpoint: string): string {
  const path = endpoint.replace(/^unix:(\/\/)?/, '');
  if (!path.startsWith('/')) {
    throw new WasmletError('InvalidConfig', `criSocket ${JSON.stringify(endpoint)}: expected unix:///absolute/path`);
  }
  const length = Buffer.byteLength(path);
  if (length <= MAX_PATH_BYTES) return path;
  throw new WasmletError('InvalidConfig', `criSocket ${path} has ${length} bytes, Unix allows ${MAX_PATH_BYTES}`);
}

/**
 * Listens on a Unix socket that only this user may open, in place of one that a dead server has left.
 * @throws WasmletError AlreadyExists when another server answers there; InvalidConfig when the path is something else
 */
export async function listen(path: string, accept: (socket: Socket) => void): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true });
  await clearStale(path);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    accept(socket);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    // Binding a path is synchronous.
    const mask = process.umask(0o177);
    server.once('error', reject).listen(path, () => resolve());
    process.umask(mask);
  });
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function clearStale(path: string): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = (await lstat(path)).isSocket();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  if (!isSocket) throw new WasmletError('InvalidConfig', `criSocket ${path} exists and is not a socket`);
  if (await answers(path)) throw new WasmletError('AlreadyExists', `another server listens on ${path}`);
  await rm(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

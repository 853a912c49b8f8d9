import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';

/** Where tools and guests are kept once built: outside the tree, so that a fresh clone and `git clean` reuse them. */
export function cacheFolder(): string {
  const { WASMLET_CACHE, XDG_CACHE_HOME } = process.env;
  if (WASMLET_CACHE) return WASMLET_CACHE;
  return join(XDG_CACHE_HOME ? XDG_CACHE_HOME : join(homedir(), '.cache'), 'wasmlet');
}

/** A short hash of all that a build depends on; the parts cannot run into one another. */
export function keyOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest('hex').slice(0, 16);
}

export interface CachedBuild {
  /** Path inside the cache folder that names the result and what it is built from, as 'tools/crane-<key>'. */
  readonly path: string;
  /** Fills the empty folder given; what it leaves there is the result. */
  readonly build: (folder: string) => Promise<void>;
}

/**
 * The folder with the result of a build, built now if it is not there yet. Of processes that ask for the same at once
 * one builds and the others wait; a process that dies while it builds leaves nothing that counts as a result.
 * @returns the absolute path of the folder
 */
export async function cached({ path, build }: CachedBuild): Promise<string> {
  const folder = join(cacheFolder(), path);
  if (await exists(folder)) return folder;
  await using _lock = await lock(folder);
  if (await exists(folder)) return folder;
  const temporary = `${folder}.${randomBytes(4).toString('hex')}.tmp`;
  await mkdir(dirname(folder), { recursive: true });
  await mkdir(temporary);
  try {
    await build(temporary);
    await rename(temporary, folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return folder;
}

/**
 * A lock between the processes of this machine: a listening socket in Linux' abstract namespace. The kernel drops it
 * with its process, however that ends, so there is no stale lock to find out about; and those who wait are told by the
 * end of their connection instead of asking again and again.
 */
async function lock(name: string): Promise<AsyncDisposable> {
  const address = `\0wasmlet-${keyOf([name])}`;
  for (;;) {
    const held = await tryListen(address);
    if (held) return held;
    await untilReleased(address);
  }
}

async function tryListen(address: string): Promise<AsyncDisposable | undefined> {
  const connections = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on('error', () => undefined).on('close', () => connections.delete(socket));
  });
  const listening = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error) => {
      if (errnoOf(error) === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(address, () => resolve(true));
  });
  if (!listening) return undefined;
  return {
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of connections) socket.destroy();
      }),
  };
}

/** Resolves when the holder of the lock lets go or dies (or has done so already). */
async function untilReleased(address: string): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = createConnection(address);
    socket.on('error', () => undefined).on('close', () => resolve());
    socket.resume();
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

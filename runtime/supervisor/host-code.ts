import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtempDisposable, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeMessage } from '../framing.ts';
import { HOST_PROTOCOL_VERSION, SUPERVISOR_FD } from '../host/protocol.ts';
import type { HostStart } from '../host/protocol.ts';
import { NODE_FLAGS } from './hosts.ts';
import { usualGuest } from './usual-guest.ts';

/** Whether this code runs as TypeScript, from the repository, and not as the published bundle. */
export const isSource = import.meta.url.endsWith('.ts');

/**
 * What hosts run, in a folder of the run folder that is named by its content:
 *
 *     host.cjs      loads the bundle
 *     bundle.js     the host, as one function
 *     bundle.cache  what V8 has made of it (docs/RATIONALE.md); without it each host compiles it
 */
const LOADER = 'host.cjs';
const BUNDLE = 'bundle.js';
const CACHE = 'bundle.cache';

/** Of what V8 made for another version of itself, or for other flags, it makes no use. */
const LOADER_SOURCE = `'use strict';
const { existsSync, readFileSync } = require('node:fs');
const { Script } = require('node:vm');
const filename = __dirname + '/${BUNDLE}';
const cache = __dirname + '/${CACHE}';
const cachedData = existsSync(cache) ? readFileSync(cache) : undefined;
new Script(readFileSync(filename, 'latin1'), { filename, cachedData }).runInThisContext()(require);
`;

/** A host, and what V8 has compiled of it in its life. */
const CACHING_SOURCE = `
const { readFileSync, writeFileSync } = require('node:fs');
const { Script } = require('node:vm');
const [, filename, cache] = process.argv;
const script = new Script(readFileSync(filename, 'latin1'), { filename });
process.on('exit', () => writeFileSync(cache, script.createCachedData()));
script.runInThisContext()(require);
`;

const CACHING_TIMEOUT_MS = 60_000;

/** Others than the supervisor's user read it; the folder above is closed to everybody else. */
const MODES = { folder: 0o755, file: 0o644 } as const;

/**
 * The file that hosts run. In the repository the bundle is made from the sources as they are at this moment: a host from
 * one JavaScript file starts in half the time and memory of one from TypeScript.
 * @param runDirectory what is made is put there, and that of other releases removed
 */
export async function hostCode(runDirectory: string): Promise<string> {
  const bundle = `(function (require) {${await bundledHost()}\n})`;
  const key = createHash('sha256').update([LOADER_SOURCE, bundle, process.version, ...NODE_FLAGS].join('\0'));
  const name = `host-${key.digest('hex').slice(0, 16)}`;
  const folder = join(runDirectory, name);
  if (!existsSync(folder)) {
    const unfinished = `${folder}.tmp`;
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true, mode: MODES.folder });
    await writeFile(join(unfinished, BUNDLE), bundle, { encoding: 'latin1', mode: MODES.file });
    await writeFile(join(unfinished, LOADER), LOADER_SOURCE, { mode: MODES.file });
    await rename(unfinished, folder);
  }
  // Hosts that run have read theirs.
  for (const other of await readdir(runDirectory)) {
    if (other.startsWith('host-') && other !== name) await rm(join(runDirectory, other), { recursive: true });
  }
  return join(folder, LOADER);
}

async function bundledHost(): Promise<string> {
  const here = dirname(fileURLToPath(import.meta.url));
  if (!isSource) return await readFile(join(here, 'host.cjs'), 'utf8');
  const { bundleHost } = await import('../../build/bundle-host.ts');
  return await bundleHost();
}

/**
 * Has V8 compile what hosts run, if that was not done; those that are started from then on need not. It is what a host
 * needed that has run a guest.
 * @param code what `hostCode` returned
 * @throws Error when that fails: hosts only start slower; AbortError
 */
export async function compileHostCode(code: string, signal: AbortSignal): Promise<void> {
  const folder = dirname(code);
  const cache = join(folder, CACHE);
  if (existsSync(cache)) return;
  await using trial = await mkdtempDisposable(join(folder, 'trial-'));
  const unfinished = join(trial.path, CACHE);
  const args = [...NODE_FLAGS, '--eval', CACHING_SOURCE, join(folder, BUNDLE), unfinished];
  // For a socket of its own, which it does not use.
  await using nothing = await open('/dev/null', 'r+');
  const child = spawn(process.execPath, args, {
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', nothing.fd],
    signal: AbortSignal.any([signal, AbortSignal.timeout(CACHING_TIMEOUT_MS)]),
    killSignal: 'SIGKILL',
  });
  const socket = child.stdio[SUPERVISOR_FD] as Socket;
  socket.on('error', () => undefined).resume();
  socket.end(encodeMessage(await trialStart(trial.path)));
  const [exitCode] = (await once(child, 'exit')) as [number | null];
  if (exitCode !== 0) throw new Error(`a host ended with ${exitCode ?? 'a signal'}`);
  await rename(unfinished, cache);
}

/** @param folder for what the guest and its host have */
async function trialStart(folder: string): Promise<HostStart> {
  const module = join(folder, 'guest.wasm');
  await writeFile(module, usualGuest());
  return {
    v: HOST_PROTOCOL_VERSION,
    type: 'start',
    engine: 'v8',
    title: 'wasmlet-host',
    module,
    root: folder,
    args: ['guest'],
    env: ['PATH=/'],
    workingDir: '/',
    mounts: [],
    tty: false,
    directory: folder,
    logPath: join(folder, 'log'),
    logLimits: { maxSize: 0, maxFiles: 1 },
  };
}

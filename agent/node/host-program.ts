import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { cp, mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, WasmletError } from '../../base/errors.ts';
import { lockHolder } from '../../base/lock.ts';
import type { Logger } from '../../base/log.ts';
import { isAlive } from '../../base/process.ts';

/** What runs where the program is put: Node, and the folder of the bundles. */
export interface Program {
  /** Path of Node. */
  readonly node: string;
  /** Folder with cli.mjs, supervisor.mjs and what they read. */
  readonly code: string;
}

export interface HostProgramOptions {
  readonly program: Program;
  /** Below it each release has a folder; `current` is a link to the one that was put there last. */
  readonly folder: string;
  /** The node's state, in which a supervisor of another release may run. */
  readonly rootDir: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const CURRENT = 'current';
const SUPERVISOR_END_MS = 30_000;
const POLL_MS = 50;

/**
 * Puts the program into a folder of the machine, for a runtime that outlives the container it came in, and ends the
 * supervisor of another release: its containers run on, and the next supervisor adopts them (docs/install.md). What is
 * there already is left as it is.
 * @returns the folder of this release
 * @throws WasmletError DeadlineExceeded when the other supervisor does not end; system errors
 */
export async function putHostProgram(options: HostProgramOptions): Promise<string> {
  const { program, folder, logger } = options;
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const release = await releaseOf(program);
  const target = join(folder, release);
  if (await copyProgram(program, target)) logger.info('the program was copied to the machine', { folder: target });
  await point(join(folder, CURRENT), release);
  await endOtherSupervisor(target, options);
  for (const name of await readdir(folder)) {
    if (name !== release && name !== CURRENT) await rm(join(folder, name), { recursive: true, force: true });
  }
  return target;
}

/** Names the program by all that it consists of: two builds of one version are two releases here. */
async function releaseOf({ node, code }: Program): Promise<string> {
  const hash = createHash('sha256');
  // Node has 130 MB: more than the memory that a container which only copies it should need.
  const add = (file: string): Promise<void> => pipeline(createReadStream(file), hash, { end: false });
  await add(node);
  const entries = await readdir(code, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  for (const file of files.toSorted()) {
    hash.update(`${relative(code, file)}\0`);
    await add(file);
  }
  return hash.digest('hex').slice(0, 16);
}

/** @returns false where it is there already */
async function copyProgram({ node, code }: Program, target: string): Promise<boolean> {
  const half = `${target}.tmp`;
  await rm(half, { recursive: true, force: true });
  await cp(code, half, { recursive: true });
  await cp(node, join(half, 'node'));
  try {
    await rename(half, target);
    return true;
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
    await rm(half, { recursive: true });
    return false;
  }
}

/** Makes a link anew, so that it is never missing. */
async function point(link: string, target: string): Promise<void> {
  const next = `${link}.tmp`;
  await rm(next, { force: true });
  await symlink(target, next);
  await rename(next, link);
}

async function endOtherSupervisor(target: string, { rootDir, logger, signal }: HostProgramOptions): Promise<void> {
  const holder = await lockHolder(join(rootDir, 'runtime'), 'supervisor');
  if (!holder) return;
  const program = await readlink(`/proc/${holder.pid}/exe`).catch(() => '');
  if (dirname(program) === target) return;
  logger.info('a supervisor of another release is ended; containers run on', { pid: holder.pid, program });
  process.kill(holder.pid, 'SIGTERM');
  const deadline = AbortSignal.timeout(SUPERVISOR_END_MS);
  while (isAlive(holder)) {
    if (deadline.aborted) {
      const message = `the supervisor (process ${holder.pid}) did not end within ${SUPERVISOR_END_MS / 1000} s`;
      throw new WasmletError('DeadlineExceeded', message);
    }
    await delay(POLL_MS, undefined, { signal });
  }
}

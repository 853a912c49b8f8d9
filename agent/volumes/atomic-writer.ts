import { randomInt } from 'node:crypto';
import {
  chmod,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { errnoOf, ignoreMissing, WasmletError } from '../../base/errors.ts';
import { listFolder } from './paths.ts';

/** One file of a volume that is made from API objects. */
export interface FileProjection {
  readonly data: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  /** The file's user; undefined: the agent's own. */
  readonly owner?: number;
}

/** Files by their path relative to the volume. */
export type Payload = ReadonlyMap<string, FileProjection>;

export const DATA_LINK = '..data';
const NEW_DATA_LINK = '..data_tmp';
const TIMESTAMPED = /^\.\.\d{4}(_\d\d){5}\./;
const MAX_NAME_BYTES = 255;
const MAX_PATH_BYTES = 4096;

/**
 * Replaces all files of a volume at once, in the layout of the kubelet's AtomicWriter
 * (pkg/volume/util/atomic_writer.go): the files are in a folder named by the time, `..data` links to it, and the names
 * that users see are links through `..data`. A reader that resolves `..data` once sees one version whole; programs that
 * watch for updates watch `..data`. Nothing is written when the content is the same.
 *
 * Calls for one folder must not overlap.
 * @param targetDir the volume's folder, which exists
 * @param beforePublished called when new content is written and nobody sees it yet
 * @returns whether new content was written
 * @throws WasmletError InvalidArgument for a path that would leave the volume
 */
export async function writeAtomically(
  targetDir: string,
  payload: Payload,
  beforePublished?: () => Promise<void>,
): Promise<boolean> {
  const files = cleanPayload(payload);
  const current = await currentFolder(targetDir);
  const obsolete = current === undefined ? [] : await obsoleteNames(join(targetDir, current), files);
  const changed =
    current === undefined ||
    obsolete.length > 0 ||
    (await hasObsoleteFiles(join(targetDir, current), files)) ||
    (await differs(join(targetDir, current), files));
  if (changed) await publish(targetDir, files, beforePublished);
  await linkVisibleNames(targetDir, files);
  for (const name of obsolete) await rm(join(targetDir, name), { recursive: true, force: true });
  if (changed) await removeOldFolders(targetDir);
  return changed;
}

/** Whether a volume in this layout has content. */
export async function hasContent(targetDir: string): Promise<boolean> {
  return (await currentFolder(targetDir)) !== undefined;
}

function cleanPayload(payload: Payload): Map<string, FileProjection> {
  const clean = new Map<string, FileProjection>();
  for (const [path, file] of payload) clean.set(cleanPath(path), file);
  return clean;
}

/** The kubelet's rules and words (validatePath); names that begin with '..' are the writer's own. */
function cleanPath(path: string): string {
  const invalid = (why: string) => new WasmletError('InvalidArgument', `invalid path: ${why}`);
  if (path === '') throw invalid('must not be empty: ""');
  if (isAbsolute(path)) throw invalid(`must be relative path: ${path}`);
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw invalid(`must be less than or equal to ${MAX_PATH_BYTES} characters`);
  }
  const names = path.split('/');
  if (names.includes('..')) throw invalid(`must not contain '..': ${path}`);
  if (names.some((name) => Buffer.byteLength(name) > MAX_NAME_BYTES)) {
    throw invalid(`filenames must be less than or equal to ${MAX_NAME_BYTES} characters`);
  }
  const clean = normalize(path).replace(/\/+$/, '');
  if (clean.startsWith('..')) throw invalid(`must not start with '..': ${path}`);
  if (clean === '.') throw invalid(`must name a file: ${path}`);
  return clean;
}

const currentFolder = (targetDir: string): Promise<string | undefined> =>
  readlink(join(targetDir, DATA_LINK)).catch(ignoreMissing);

const firstName = (path: string): string => path.split('/', 1)[0] ?? path;

/** Names at the top of the old content that the new one lacks: their visible links go. */
async function obsoleteNames(folder: string, files: Payload): Promise<string[]> {
  const kept = new Set([...files.keys()].map(firstName));
  return (await listFolder(folder)).filter((name) => !kept.has(name));
}

/** Whether the old content holds anything, at any depth, that the new one lacks. */
async function hasObsoleteFiles(folder: string, files: Payload): Promise<boolean> {
  const kept = new Set<string>();
  for (const path of files.keys()) {
    for (let part = path; part !== '.'; part = dirname(part)) kept.add(part);
  }
  const present = (await readdir(folder, { recursive: true }).catch(ignoreMissing)) ?? [];
  return present.some((path) => !kept.has(path));
}

async function differs(folder: string, files: Payload): Promise<boolean> {
  for (const [path, file] of files) {
    try {
      if (!(await readFile(join(folder, path))).equals(file.data)) return true;
    } catch (error) {
      // A path that was a folder, or lies below what was a file, is as different as one that is not there.
      if (['ENOENT', 'EISDIR', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return true;
      throw error;
    }
  }
  return false;
}

/** Writes a new folder and turns `..data` to it. A folder that could not be published is removed. */
async function publish(targetDir: string, files: Payload, beforePublished?: () => Promise<void>): Promise<void> {
  const name = await makeTimestampedFolder(targetDir);
  const folder = join(targetDir, name);
  const newLink = join(targetDir, NEW_DATA_LINK);
  try {
    for (const [path, file] of files) await writeProjection(join(folder, path), file);
    await beforePublished?.();
    // An agent that was killed between these two steps leaves the temporary link behind.
    await rm(newLink, { force: true });
    await symlink(name, newLink);
    await rename(newLink, join(targetDir, DATA_LINK));
  } catch (error) {
    await rm(newLink, { force: true });
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function makeTimestampedFolder(targetDir: string): Promise<string> {
  const time = new Date()
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replaceAll(/[-T:]/g, '_');
  for (;;) {
    const name = `..${time}.${randomInt(2 ** 32)}`;
    try {
      await mkdir(join(targetDir, name));
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') continue;
      throw error;
    }
    // Whatever the process' umask is, others than the owner must be able to pass.
    await chmod(join(targetDir, name), 0o755);
    return name;
  }
}

async function writeProjection(path: string, file: FileProjection): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o777 });
  await writeFile(path, file.data, { mode: 0o600, flag: 'wx' });
  // Mode on creation is cut by the umask; the mode asked for is the one that the file gets.
  await chmod(path, file.mode);
  // -1: the group stays.
  if (file.owner !== undefined) await lchown(path, file.owner, -1);
}

async function linkVisibleNames(targetDir: string, files: Payload): Promise<void> {
  for (const name of new Set([...files.keys()].map(firstName))) {
    const visible = join(targetDir, name);
    if (!(await lstat(visible).catch(ignoreMissing))) await symlink(join(DATA_LINK, name), visible);
  }
}

/** All timestamped folders but the one published: the version before, and what killed agents left. */
async function removeOldFolders(targetDir: string): Promise<void> {
  const current = await currentFolder(targetDir);
  for (const name of await listFolder(targetDir)) {
    if (TIMESTAMPED.test(name) && name !== current) {
      await rm(join(targetDir, name), { recursive: true, force: true });
    }
  }
}

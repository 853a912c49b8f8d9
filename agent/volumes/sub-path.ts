import { closeSync } from 'node:fs';
import { chmod, link, lstat, mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative } from 'node:path';
import { ignoreMissing, WasmletError } from '../../base/errors.ts';
import { openWithin } from '../../base/open-within.ts';
import type { Mount } from '../../runtime/service.ts';

/** A mount's subPath, already expanded and checked by validateSubPath. */
export interface SubPathRequest {
  /** Host path of the volume. */
  readonly volumeDir: string;
  readonly subPath: string;
  /** Whether the volume's files are replaced when their source changes, as those of a ConfigMap. */
  readonly replaced: boolean;
  /** `<pod>/volume-subpaths/<volume>/<container>/<index of the mount>`, for what must outlive a replacement. */
  readonly snapshotPath: string;
}

/**
 * The kubelet's checks of a subPath, in its words.
 * @throws WasmletError InvalidArgument
 */
export function validateSubPath(subPath: string): void {
  if (isAbsolute(subPath)) {
    throw new WasmletError('InvalidArgument', `error SubPath \`${subPath}\` must not be an absolute path`);
  }
  if (subPath.split('/').includes('..')) {
    throw new WasmletError('InvalidArgument', `unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  }
}

/** What a subPath leads to. */
export type SubPathSource = Pick<Mount, 'hostPath' | 'within'>;

/**
 * The host path for a subPath mount. Where nothing is there a folder is made, with the volume's mode. Links are
 * followed, but never to outside of the volume: guests can make links, and exchange what was looked at for one
 * (the kubelet's CVE-2017-1002101 and CVE-2021-25741). So nothing is done by a path that was only looked at.
 *
 * The kubelet binds the file or folder itself, which stays what it was when the volume's content is replaced. Without
 * the right to mount, hard links at `snapshotPath` do the same: for any single file, and for a folder of a volume whose
 * files are replaced. A folder of another volume is given as its path without links, which the runtime holds it to.
 * @throws Error for any failure; its text may tell of the host and is not for the pod's events
 */
export async function resolveSubPath(request: SubPathRequest): Promise<SubPathSource> {
  const base = await realpath(request.volumeDir);
  const path = join(base, request.subPath);
  if (!(await exists(path))) await makeFolderWithin(base, path);
  const resolved = await realpath(path);
  assertWithin(base, resolved);
  const isFolder = (await lstat(resolved)).isDirectory();
  if (isFolder && !request.replaced) return { hostPath: resolved, within: base };
  const folder = resolved === base ? dirname(base) : base;
  await usingFolder(folder, dirname(resolved), (held) =>
    snapshot(join(held, basename(resolved)), request.snapshotPath),
  );
  return { hostPath: request.snapshotPath };
}

/** Uses a folder by a path that leads to it, whatever becomes of its name. */
async function usingFolder<T>(base: string, path: string, use: (held: string) => Promise<T>): Promise<T> {
  const fd = openWithin(base, path);
  try {
    return await use(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

const exists = async (path: string): Promise<boolean> => (await stat(path).catch(ignoreMissing)) !== undefined;

function assertWithin(base: string, path: string): void {
  const inside = relative(base, path);
  if (inside === '..' || inside.startsWith('../') || isAbsolute(inside)) {
    throw new Error(`path ${path} is outside of allowed base ${base}`);
  }
}

/** Makes the missing folders of `path` one by one below what exists of it, which must lie within `base`. */
async function makeFolderWithin(base: string, path: string): Promise<void> {
  const { mode } = await stat(base);
  const missing: string[] = [];
  let existing = path;
  while (!(await isPresent(existing))) {
    missing.unshift(basename(existing));
    existing = dirname(existing);
  }
  const found = await realpath(existing);
  assertWithin(base, found);
  await usingFolder(base, found, (held) => makeFolders(held, missing, mode & 0o7777));
}

/** Makes folders one in the other. @param folder a path that leads to it whatever becomes of its name */
async function makeFolders(folder: string, [name, ...names]: readonly string[], mode: number): Promise<void> {
  if (name === undefined) return;
  await mkdir(join(folder, name));
  await usingFolder(folder, join(folder, name), async (made) => {
    await chmod(made, mode);
    await makeFolders(made, names, mode);
  });
}

/** Whether a name is taken, also by a link that leads nowhere. */
const isPresent = async (path: string): Promise<boolean> => (await lstat(path).catch(ignoreMissing)) !== undefined;

/** Puts hard links of a file or a tree at `target`, in place of an earlier one. */
async function snapshot(source: string, target: string): Promise<void> {
  const temporary = `${target}.new`;
  await mkdir(dirname(target), { recursive: true, mode: 0o750 });
  await rm(temporary, { recursive: true, force: true });
  await linkTree(source, temporary);
  await rm(target, { recursive: true, force: true });
  await rename(temporary, target);
}

async function linkTree(source: string, target: string): Promise<void> {
  const status = await lstat(source);
  if (status.isDirectory()) {
    await mkdir(target);
    for (const name of await readdir(source)) await linkTree(join(source, name), join(target, name));
    await chmod(target, status.mode & 0o7777);
    return;
  }
  await link(source, target);
  // link(2) takes a symbolic link as it is; one that was put there since it was looked at must not get through.
  if ((await lstat(target)).isSymbolicLink()) {
    await rm(target, { force: true });
    throw new Error(`${source} became a link while it was being mounted`);
  }
}

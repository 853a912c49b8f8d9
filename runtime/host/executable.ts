import { statSync } from 'node:fs';
import { posix } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import { resolveGuestPath } from './guest-paths.ts';
import type { GuestTree } from './guest-paths.ts';

/** What runc gives to a container whose environment has none. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface Program extends GuestTree {
  readonly args: readonly string[];
  /** 'KEY=value' */
  readonly env: readonly string[];
  readonly workingDir: string;
}

const failure = (message: string): WasmletError => new WasmletError('FailedPrecondition', message);

/** A regular file's host path; undefined when there is none of this name. */
function regularFile(tree: GuestTree, path: string): string | undefined {
  const host = resolveGuestPath(tree, path);
  return host !== undefined && statSync(host, { throwIfNoEntry: false })?.isFile() === true ? host : undefined;
}

/**
 * Finds the module that args[0] names in the container's files, as exec(3) finds a program: by path if it holds a
 * slash, else in $PATH. Beyond exec(3) the working directory is searched last, since Wasm images name their entrypoint
 * without a slash, and no execute permission is asked for, since their builders rarely set it.
 * @returns the module's host path
 * @throws WasmletError FailedPrecondition with runc's wording
 */
export function findExecutable(program: Program): string {
  const name = program.args[0];
  if (name === undefined || name === '') {
    throw failure('no command specified: set command in the pod, or an entrypoint in the image');
  }
  const workingDir = posix.resolve('/', program.workingDir);
  if (name.includes('/')) return byPath(program, name, posix.resolve(workingDir, name));
  const path = program.env.findLast((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? DEFAULT_PATH;
  for (const folder of [...path.split(':'), workingDir]) {
    const found = regularFile(program, posix.resolve(workingDir, folder, name));
    if (found !== undefined) return found;
  }
  throw failure(`exec: ${JSON.stringify(name)}: executable file not found in $PATH`);
}

function byPath(tree: GuestTree, name: string, path: string): string {
  const found = regularFile(tree, path);
  if (found !== undefined) return found;
  const exists = resolveGuestPath(tree, path) !== undefined;
  throw failure(
    `exec: ${JSON.stringify(name)}: ${exists ? 'is a directory' : `stat ${path}: no such file or directory`}`,
  );
}

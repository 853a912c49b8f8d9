import { lstatSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../../../base/errors.ts';
import { PosixError } from '../posix-error.ts';
import type { Directory } from './directory.ts';

/** Linux: MAXSYMLINKS. */
const MAX_LINKS = 40;
/** Linux: PATH_MAX, with the ending NUL. */
const MAX_PATH_BYTES = 4096;

/** Where a path leads: an entry of a directory, which need not exist; or, with the name '', the directory itself. */
export interface Place {
  /** Valid until the walk is disposed. */
  readonly directory: Directory;
  readonly name: string;
  /** The path ended in a slash: what stands there can only be a directory. */
  readonly mustBeDirectory: boolean;
}

/** When a symbolic link at the end of a path is followed; 'slash': only where a slash stands behind it. */
export type LastLink = 'follow' | 'slash' | 'never';

/**
 * Walks a path one name at a time, with symbolic links read and followed here and never by the kernel, so that the
 * guest's own root is the root: absolute links begin there, and its `..` is itself. A directory that the walk began at
 * is a limit too, as Preview 1 wants it: `..` beyond it is EPERM.
 */
export class Walk {
  readonly #root: Directory;
  /** The directories from the start (or the root, after an absolute link) to here; the first is not ours to close. */
  #path: Directory[];
  readonly #names: string[] = [];
  /** Names still to come, the next one last. */
  readonly #pending: string[] = [];
  #mustBeDirectory = false;
  #links = 0;

  constructor(root: Directory, start: Directory) {
    this.#root = root;
    this.#path = [start];
  }

  /** The names of the directories passed through, from the start of the walk or, after an absolute link, the root. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** @throws PosixError ENOENT, ENOTDIR, ELOOP, EPERM, EINVAL, ENAMETOOLONG; system errors */
  to(path: string, lastLink: LastLink): Place {
    checkPath(path);
    if (path.startsWith('/')) throw new PosixError('EPERM');
    this.#push(path, true);
    for (let name = this.#pending.pop(); name !== undefined; name = this.#pending.pop()) {
      if (name === '..') {
        this.#up();
      } else if (this.#pending.length > 0) {
        this.#step(name);
      } else if (!this.#goesOn(name, lastLink)) {
        return { directory: this.#top, name, mustBeDirectory: this.#mustBeDirectory };
      }
    }
    return { directory: this.#top, name: '', mustBeDirectory: true };
  }

  [Symbol.dispose](): void {
    this.#leaveAll();
  }

  get #top(): Directory {
    return this.#path[this.#path.length - 1] ?? this.#root;
  }

  #push(path: string, last: boolean): void {
    const names = path.split('/');
    if (last && (path.endsWith('/') || path === '.' || path.endsWith('/.'))) this.#mustBeDirectory = true;
    // A last '.' keeps its place, so that the name before it is stepped into.
    if (last && names.at(-1) === '.') this.#pending.push('.');
    for (const name of names.reverse()) if (name !== '' && name !== '.') this.#pending.push(name);
  }

  #step(name: string): void {
    const next = this.#top.enter(name);
    if (typeof next === 'string') this.#follow(next);
    else {
      this.#path.push(next);
      this.#names.push(name);
    }
  }

  #up(): void {
    this.#names.pop();
    if (this.#path.length > 1) this.#path.pop()?.close();
    else if (!this.#top.isRoot) throw new PosixError('EPERM');
  }

  /** At the last name: whether the walk goes on, because the name is '.' or a link that is to be followed. */
  #goesOn(name: string, lastLink: LastLink): boolean {
    if (name === '.') return true;
    return (lastLink === 'follow' || (lastLink === 'slash' && this.#mustBeDirectory)) && this.#followLink(name);
  }

  /** Follows a link at the end of the path; false when there is none. */
  #followLink(name: string): boolean {
    const path = this.#top.pointOf(name) === undefined ? this.#top.entryPath(name) : undefined;
    if (path === undefined || lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return false;
    try {
      this.#follow(readlinkSync(path));
      return true;
    } catch (error) {
      if (errnoOf(error) === 'EINVAL') return false;
      throw error;
    }
  }

  #follow(target: string): void {
    if (++this.#links > MAX_LINKS) throw new PosixError('ELOOP');
    if (target.startsWith('/')) {
      this.#leaveAll();
      this.#path = [this.#root];
      this.#names.length = 0;
    }
    this.#push(target, this.#pending.length === 0);
  }

  #leaveAll(): void {
    for (const directory of this.#path.splice(1)) directory.close();
  }
}

function checkPath(path: string): void {
  if (path === '') throw new PosixError('ENOENT');
  if (path.includes('\0')) throw new PosixError('EINVAL');
  if (Buffer.byteLength(path) >= MAX_PATH_BYTES) throw new PosixError('ENAMETOOLONG');
}

import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { loaderOf } from '../linux/elf.ts';
import { LAYER_PLACES } from '../linux/mounts.ts';
import { Ruleset } from '../linux/landlock.ts';
import type { Rights } from '../linux/landlock.ts';

/**
 * The folder that every host has as its '/': Node, the libraries that it needs, the host's code, and places that a
 * container's own files are mounted on when it is given one. Hosts see it read-only, each with mounts of its own.
 *
 *     /node, /host, /proc                     what a host is
 *     /lib64, /usr/lib, …                     libraries, where the loader looks for them
 *     /files/d<N>, /files/f<N>                folders and files that its guest may change
 *     /readonly/d<N>, /readonly/f<N>          those that it may not
 *     /modules/f<N>                           the module that is run, where the container's files do not hold it
 *     /state/d<N>                             what the host notes of its container
 *     /logs/d<N>                              its log, and what was rotated
 *     /layers/…                               what a root is made of, while it is mounted
 */

/** Where things stand for a host. */
export const INSIDE = { node: '/node', code: '/host', proc: '/proc' } as const;

/** What a place of a container's files is for, which decides what its host may do there. */
export type Purpose = 'files' | 'readonly' | 'modules' | 'state' | 'logs';

export const RIGHTS_OF: Readonly<Record<Purpose, Rights>> = {
  files: 'write',
  readonly: 'read',
  modules: 'read',
  state: 'writeFiles',
  logs: 'writeFiles',
};

const FOLDER_MODE = 0o755;

export class HostRoot {
  readonly path: string;
  /** The topmost folders that libraries are in. */
  readonly #libraries = new Set<string>();

  /**
   * Makes it, or brings it up to date: hosts that run have read what they need.
   * @param path a folder that is this supervisor's alone
   * @throws system errors
   */
  constructor(path: string) {
    this.path = path;
    const purposes = Object.keys(RIGHTS_OF).map((purpose) => `/${purpose}`);
    for (const name of ['', INSIDE.code, INSIDE.proc, ...purposes, ...Object.values(LAYER_PLACES)]) {
      mkdirSync(join(path, name), { recursive: true, mode: FOLDER_MODE });
    }
    writeFileSync(join(path, INSIDE.node), '', { mode: FOLDER_MODE });
    for (const library of loadedLibraries()) {
      for (const name of namesOf(basename(library))) this.#putLibrary(library, join(dirname(library), name));
    }
    const loader = loaderOf(process.execPath);
    if (loader !== undefined) this.#putLibrary(loader, loader);
  }

  #putLibrary(source: string, target: string): void {
    this.#put(source, target);
    this.#libraries.add(`/${target.split('/')[1] ?? ''}`);
  }

  /** As a link, so that its pages are in memory once; as a copy where it is on another file system. */
  #put(source: string, target: string): void {
    const path = join(this.path, target);
    mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE });
    rmSync(path, { force: true });
    const file = realpathSync(source);
    try {
      linkSync(file, path);
    } catch {
      copyFileSync(file, path);
    }
  }

  /** What Landlock lets hosts do with it. @throws system errors */
  rules(abi: number): Ruleset {
    const ruleset = new Ruleset(abi);
    try {
      // There is nothing in it that is not the host's own, the files of its /proc among it.
      ruleset.allow(this.path, 'read');
      // The file that is mounted there, not the place.
      ruleset.allow(process.execPath, 'execute');
      for (const folder of this.#libraries) ruleset.allow(join(this.path, folder), 'execute');
      for (const [purpose, rights] of Object.entries(RIGHTS_OF)) ruleset.allow(join(this.path, purpose), rights);
      return ruleset;
    } catch (error) {
      ruleset[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Makes a place that a file or folder can be mounted on, if it is not there. None is ever removed: what is mounted on
   * it in a host would go with it.
   * @param root path of the root folder
   * @param place its path as a host sees it
   */
  static makePlace(root: string, place: string, isFolder: boolean): void {
    const path = join(root, place);
    if (existsSync(path)) return;
    mkdirSync(isFolder ? path : dirname(path), { recursive: true, mode: FOLDER_MODE });
    if (!isFolder) writeFileSync(path, '');
  }
}

/** Those that this process has loaded, which is the same Node. */
export function loadedLibraries(): string[] {
  const paths = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .map((line) => line.split(/\s+/)[5] ?? '')
    .filter((path) => /^\/.*\.so(\.\d+)*$/.test(path));
  return [...new Set(paths)];
}

/** A library's file, and the shorter names that programs ask for: libx.so.6.0.30 is libx.so.6 to them. */
function namesOf(file: string): string[] {
  const names = [file];
  for (let name = file; /\.so(\.\d+){2,}$/.test(name);) {
    name = name.replace(/\.\d+$/, '');
    names.push(name);
  }
  return names;
}

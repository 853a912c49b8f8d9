import { readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { WasmletError } from '../../../base/errors.ts';
import { bindInto, unbindIn } from '../linux/mounts.ts';
import type { Binding } from '../linux/mounts.ts';
import { usersOf } from '../linux/users.ts';
import { HostRoot } from './host-root.ts';
import type { Purpose } from './host-root.ts';
import { translateReach } from './reach.ts';
import type { MountedRoot, Reach } from './reach.ts';

/** Mounts a container's files for hosts that have a root folder of their own, and says where they then stand. */

/**
 * Whether a process has mounts of its own: hosts that are not confined, or by their paths only, have the machine's, as
 * have all hosts of a supervisor that is not root.
 */
export const hasOwnMounts = (pid: number): boolean =>
  process.platform === 'linux' &&
  process.geteuid?.() === 0 &&
  readlinkSync(`/proc/${pid}/ns/mnt`) !== readlinkSync('/proc/thread-self/ns/mnt');

/** Where a mount of a whole file system begins in it. */
const WHOLE = '/';

/** By its mount point, where in its file system each mount of a process begins (proc_pid_mountinfo(5)). */
function mountsOf(pid: number): Map<string, string> {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').matchAll(/^(?:\S+ ){3}(\S+) (\S+)/gm);
  return new Map([...lines].map(([, begin = '', place = '']) => [place, begin]));
}

/** Places in a host that are free, or hold already what is looked for. */
class Places {
  readonly #mounts: ReadonlyMap<string, string>;
  #last = -1;

  constructor(mounts: ReadonlyMap<string, string>) {
    this.#mounts = mounts;
  }

  /** One that is free. */
  next(purpose: Purpose, isFolder: boolean): string {
    for (;;) {
      const place = `/${purpose}/${isFolder ? 'd' : 'f'}${++this.#last}`;
      if (!this.#mounts.has(place)) return place;
    }
  }

  /** Guests of one module share its code, by its path. */
  ofModule(source: string): string | undefined {
    const path = realpathSync(source);
    const found = [...this.#mounts].find(([place, begin]) => place.startsWith('/modules/') && path.endsWith(begin));
    return found?.[0];
  }
}

/** What is mounted in one host for its containers: many of them, where they share it. */
export class Admissions {
  readonly #root: string;
  readonly #pid: number;
  #mounts: Map<string, string> | undefined;

  /** @param root path of the folder that hosts have as their '/' */
  constructor(root: string, pid: number) {
    this.#root = root;
    this.#pid = pid;
  }

  /**
   * Makes what a request names reachable for the host, which waits for it.
   * @param rootMount what to mount as the request's root; undefined: what stands at its path
   * @returns the request in the host's own paths
   * @throws system errors: a path that does not exist, a process that is gone; WasmletError FailedPrecondition when a
   *   root is to be mounted for a host without mounts of its own
   */
  admit<T extends Reach>(request: T, rootMount?: MountedRoot['rootMount']): T {
    if (!hasOwnMounts(this.#pid)) {
      if (rootMount === undefined) return request;
      throw new WasmletError('FailedPrecondition', `host process ${this.#pid} has no mounts of its own`);
    }
    // Read once: the list is long where many share a host.
    this.#mounts ??= mountsOf(this.#pid);
    const mounts = this.#mounts;
    const places = new Places(mounts);
    const bindings: Binding[] = [];
    const inside = translateReach(request, ({ purpose, path, within }) => {
      const known = purpose === 'modules' ? places.ofModule(path) : undefined;
      if (known !== undefined) return known;
      const source = path === request.root && rootMount !== undefined ? rootMount : path;
      const isFolder = within !== undefined || typeof source !== 'string' || statSync(source).isDirectory();
      const target = places.next(purpose, isFolder);
      HostRoot.makePlace(this.#root, target, isFolder);
      bindings.push({ source, target, readonly: purpose === 'readonly' || purpose === 'modules', within });
      return target;
    });
    using users = usersOf(this.#pid);
    bindInto({ pid: this.#pid, users }, bindings);
    for (const { target, source, within } of bindings) {
      // Only of modules it is ever asked for; what guests can exchange may be gone by now.
      const begin = within === undefined && typeof source === 'string' ? realpathSync(source) : WHOLE;
      mounts.set(target, begin);
    }
    return inside;
  }

  /**
   * Takes from the host what a container had that has ended, where the host goes on with others.
   * @param inside what `admit` returned
   * @throws system errors: a process that is gone
   */
  dismiss(inside: Reach): void {
    if (!hasOwnMounts(this.#pid)) return;
    const places: string[] = [];
    translateReach(inside, ({ purpose, path }) => {
      // Others may run it; there are few.
      if (purpose !== 'modules') places.push(path);
      return path;
    });
    unbindIn(this.#pid, places);
    for (const place of places) this.#mounts?.delete(place);
  }
}

/**
 * Makes what a request names reachable for a host that gets no other.
 * @param root path of the folder that hosts have as their '/'
 * @param rootMount as for Admissions.admit
 * @returns and throws as Admissions.admit
 */
export const admit = <T extends Reach>(
  root: string,
  pid: number,
  request: T,
  rootMount?: MountedRoot['rootMount'],
): T => new Admissions(root, pid).admit(request, rootMount);

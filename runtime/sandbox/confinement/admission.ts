import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { bindInto, unbindIn } from '../linux/mounts.ts';
import type { Binding } from '../linux/mounts.ts';
import { HostRoot } from './host-root.ts';
import type { Purpose } from './host-root.ts';
import { translateReach } from './reach.ts';
import type { Reach } from './reach.ts';

/** Mounts a container's files for hosts that have a root folder of their own, and says where they then stand. */

/**
 * Whether a process has mounts of its own: hosts that are not confined, or by their paths only, have the machine's, as
 * have all hosts of a supervisor that is not root.
 */
const hasOwnMounts = (pid: number): boolean =>
  process.platform === 'linux' &&
  process.geteuid?.() === 0 &&
  readlinkSync(`/proc/${pid}/ns/mnt`) !== readlinkSync('/proc/thread-self/ns/mnt');

/** What is mounted in a host already, by this supervisor or an earlier one (proc_pid_mountinfo(5)). */
const mountPoints = (pid: number): Set<string> =>
  new Set(readFileSync(`/proc/${pid}/mountinfo`, 'utf8').match(/(?<=^(?:\S+ ){4})\S+/gm));

/** Names of modules that are themselves: digests. */
const PLAIN_NAME = /^\w[\w.-]*$/;

/** Gives out places that are free. */
class Places {
  readonly #taken: Set<string>;
  #last = -1;

  constructor(taken: Set<string>) {
    this.#taken = taken;
  }

  /** One that is not taken. */
  next(purpose: Purpose, isFolder: boolean): string {
    for (;;) {
      const place = `/${purpose}/${isFolder ? 'd' : 'f'}${++this.#last}`;
      if (!this.#taken.has(place)) return place;
    }
  }

  /** By its name, so that guests of one module share its code. */
  ofModule(path: string): { readonly place: string; readonly isThere: boolean } {
    if (!PLAIN_NAME.test(basename(path))) return { place: this.next('modules', false), isThere: false };
    const place = `/modules/${basename(path)}`;
    return { place, isThere: this.#taken.has(place) };
  }
}

/** What is mounted in one host for its containers: many of them, where they share it. */
export class Admissions {
  readonly #root: string;
  readonly #pid: number;
  #taken: Set<string> | undefined;

  /** @param root path of the folder that hosts have as their '/' */
  constructor(root: string, pid: number) {
    this.#root = root;
    this.#pid = pid;
  }

  /**
   * Makes what a request names reachable for the host, which waits for it.
   * @returns the request in the host's own paths
   * @throws system errors: a path that does not exist, a process that is gone
   */
  admit<T extends Reach>(request: T): T {
    if (!hasOwnMounts(this.#pid)) return request;
    // Read once: the list is long where many share a host.
    this.#taken ??= mountPoints(this.#pid);
    const taken = this.#taken;
    const places = new Places(taken);
    const bindings: Binding[] = [];
    const bind = (source: string, target: string, isFolder: boolean, readonly: boolean): string => {
      HostRoot.makePlace(this.#root, target, isFolder);
      bindings.push({ source, target, readonly });
      return target;
    };
    const inside = translateReach(request, ({ purpose, path }) => {
      if (purpose === 'modules') {
        const { place, isThere } = places.ofModule(path);
        return isThere ? place : bind(path, place, false, true);
      }
      const isFolder = statSync(path).isDirectory();
      return bind(path, places.next(purpose, isFolder), isFolder, purpose === 'readonly');
    });
    bindInto(this.#pid, bindings);
    for (const { target } of bindings) taken.add(target);
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
    for (const place of places) this.#taken?.delete(place);
  }
}

/**
 * Makes what a request names reachable for a host that gets no other.
 * @param root path of the folder that hosts have as their '/'
 * @returns and throws as Admissions.admit
 */
export const admit = <T extends Reach>(root: string, pid: number, request: T): T =>
  new Admissions(root, pid).admit(request);

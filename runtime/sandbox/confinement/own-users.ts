import { statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { hasCode } from '../../../base/errors.ts';
import { findLauncher, step } from '../linux/launcher.ts';
import type { Step } from '../linux/launcher.ts';
import { areOwnersMappable } from '../linux/mounts.ts';
import { mapUsers, usersOf } from '../linux/users.ts';
import type { UserNamespace, UserRange } from '../linux/users.ts';
import { begin, FIRST_PROTOCOL_FD } from './confinement.ts';
import type { HostLaunch, HostUsers, OwnUsers } from './confinement.ts';
import { tryMappedMounts } from './mapped-mounts-trial.ts';
import type { UserIds } from './user-ids.ts';
import { UserRanges } from './user-ranges.ts';

/**
 * Users of a host's own: 0, 1 and so on to itself, and to the machine ids that nobody else has (user_namespaces(7)), so
 * that it is root over its container's files and over nothing else. Only who makes a namespace of users can be the first
 * in it, and only somebody outside can say whose they are: a launcher that has made one waits for its supervisor.
 */

const CLONE_NEWUSER = 0x10000000;
const SIGN = Buffer.from('.');

/** As the first of its users, and in no other group; none of those that it was is known in the namespace. */
const beFirst = (): Step[] => [step('setgroups', 0, 0), step('setresgid', 0, 0, 0), step('setresuid', 0, 0, 0)];

/** Makes a namespace, and waits until its users are mapped. */
const inNewUsers = (): Step[] => [
  step('unshare', CLONE_NEWUSER),
  step('write', FIRST_PROTOCOL_FD, SIGN, SIGN.length),
  // Closed by a supervisor that is gone: what follows then fails.
  step('read', FIRST_PROTOCOL_FD, Buffer.alloc(SIGN.length), SIGN.length),
  ...beFirst(),
];

/** Enters a namespace. @param fd of it, in the process */
const inUsersOf = (fd: number): Step[] => [step('setns', fd, CLONE_NEWUSER), step('close', fd), ...beFirst()];

/** How a host comes to its users, and what that takes. */
export interface UsersLaunch extends Pick<HostLaunch, 'descriptors' | 'begin' | 'settle'>, Disposable {
  readonly steps: readonly Step[];
}

/** With the users of the node. */
export const NODE_USERS: UsersLaunch = { steps: [], descriptors: [], begin, [Symbol.dispose]: () => undefined };

/** The namespaces of a node's hosts. */
export class HostUserNamespaces implements OwnUsers {
  readonly #ranges: UserRanges;
  /** By the device of a file system. */
  readonly #canOwnOn = new Map<number, boolean>();
  readonly #folder: string;
  /** That of the first host, which was looked at more closely; kept, as all are alike to a file system. */
  #sample: UserNamespace | undefined;

  /**
   * @param folder a path on the file system of the containers' files, for a trial
   * @param ids default: those that nobody is given
   * @throws Error where no launcher can make one
   */
  constructor(folder: string, ids?: UserIds) {
    this.#folder = folder;
    this.#ranges = new UserRanges(ids);
    // The kernel makes one for a process with a single thread, which Node never is.
    if (findLauncher() !== 'perl') throw new Error('/usr/bin/perl is not installed');
  }

  get isProven(): boolean {
    return this.#sample !== undefined;
  }

  get idsPerHost(): number {
    return this.#ranges.ids.perHost;
  }

  configure(ids: UserIds): boolean {
    const { first, count, perHost } = this.#ranges.ids;
    if (first === ids.first && count === ids.count && perHost === ids.perHost) return false;
    this.#ranges.configure(ids);
    return true;
  }

  expectRange(): void {
    this.#ranges.settle(this.#ranges.take());
  }

  canOwn(path: string, isVolume: boolean): boolean {
    if (!this.#sample) return false;
    const stats = statSync(path);
    const mayHoldOthers = isVolume && stats.isDirectory();
    const known = mayHoldOthers ? undefined : this.#canOwnOn.get(stats.dev);
    if (known !== undefined) return known;
    const canOwn = areOwnersMappable(path, this.#sample);
    if (!mayHoldOthers) this.#canOwnOn.set(stats.dev, canOwn);
    return canOwn;
  }

  /**
   * @param fd number that the first of its descriptors gets in the process
   * @throws WasmletError ResourceExhausted when all ids are taken; system errors: a process that is gone
   */
  prepare(wanted: HostUsers, fd: number): UsersLaunch {
    if (wanted === 'node') return NODE_USERS;
    if (wanted !== 'own') return this.#sharedWith(wanted.of, fd);
    return this.#sample ? this.#inRange(this.#ranges.take()) : this.#onTrial();
  }

  #inRange(range: UserRange): UsersLaunch {
    let hasBegun = false;
    const settle = (): void => this.#ranges.settle(range);
    return {
      steps: inNewUsers(),
      descriptors: [],
      begin: (pid, socket) => {
        this.#ranges.hold(range, pid);
        hasBegun = true;
        return this.#give(range, pid, socket);
      },
      settle,
      [Symbol.dispose]: () => {
        if (!hasBegun) settle();
      },
    };
  }

  /**
   * Hosts that have taken all ids, of an earlier supervisor, are no reason to confine those to come less: what is tried
   * out is no guest, and for its moment may have the ids of another.
   */
  #onTrial(): UsersLaunch {
    try {
      return this.#inRange(this.#ranges.take());
    } catch (error) {
      const { first, count, perHost } = this.#ranges.ids;
      if (!hasCode(error, 'ResourceExhausted') || count < perHost) throw error;
      const begin: UsersLaunch['begin'] = (pid, socket) => this.#give({ first, count: perHost }, pid, socket);
      return { steps: inNewUsers(), descriptors: [], begin, [Symbol.dispose]: () => undefined };
    }
  }

  #sharedWith(pid: number, fd: number): UsersLaunch {
    const users = usersOf(pid);
    if (!users) return NODE_USERS;
    return {
      steps: inUsersOf(fd),
      descriptors: [users.fd],
      begin,
      [Symbol.dispose]: () => users[Symbol.dispose](),
    };
  }

  async #give(range: UserRange, pid: number, socket: Socket): Promise<void> {
    await nextChunk(socket);
    if (socket.readableEnded || socket.destroyed) return;
    try {
      mapUsers(pid, range);
      this.#sample ??= tryMappedMounts(pid, this.#folder);
      socket.write(SIGN);
    } catch (error) {
      socket.destroy();
      throw error;
    }
  }
}

/** Waits for one piece of data, or for the end; reads no further. */
export function nextChunk(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('close', done).off('data', done).pause();
      resolve();
    };
    socket.once('close', done).once('data', done).resume();
    if (socket.closed) done();
  });
}

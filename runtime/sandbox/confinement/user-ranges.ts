import { randomInt } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { WasmletError } from '../../../base/errors.ts';
import { identityOf, isAlive } from '../../../base/process.ts';
import type { ProcessIdentity } from '../../../base/process.ts';
import { ByteLocks } from '../linux/byte-locks.ts';
import { isSomebody, livingUserOf, mapOf } from '../linux/users.ts';
import type { UserRange } from '../linux/users.ts';
import { defaultUserIds, UNIT } from './user-ids.ts';
import type { UserIds } from './user-ids.ts';

/** Where the supervisors of one machine see which ranges the others are about to use: a byte for each UNIT of ids. */
const LOCKS_PATH = '/run/wasmlet/user-ids.lock';

/**
 * Gives each host ids that no other process has. Nothing is written down: the kernel knows whose they are. Three things
 * are asked:
 *
 * - the hosts of this supervisor, and those that were there before it, whatever user they have made themselves by now;
 * - whether anybody on the machine is the first user of a range, such as a host of another supervisor;
 * - a lock, for as long as a host is being started and is not that user yet: until then nobody else can see it.
 */
export class UserRanges {
  /** By number of the UNIT. */
  readonly #holders = new Map<number, ProcessIdentity>();
  /** First ids of ranges that are taken, and that no process is seen to have yet. */
  readonly #beingStarted = new Set<number>();
  readonly #locks: ByteLocks | undefined;
  #ids: UserIds;

  /** Looks at the machine's processes: hosts of an earlier supervisor, of another node, containers of others. */
  constructor(ids: UserIds = defaultUserIds(), locksPath = LOCKS_PATH) {
    this.#ids = ids;
    this.#locks = openLocks(locksPath);
    for (const pid of processes()) this.#note(pid);
  }

  get ids(): UserIds {
    return this.#ids;
  }

  /** Gives others from now on; hosts keep what they have. */
  configure(ids: UserIds): void {
    this.#ids = ids;
  }

  #note(pid: number): void {
    try {
      const range = mapOf(pid);
      // From 0 on: the namespace of the machine itself.
      if (range && range.first > 0) this.hold(range, pid);
    } catch {
      // It has just ended.
    }
  }

  get #hosts(): number {
    return Math.floor(this.#ids.count / this.#ids.perHost);
  }

  /**
   * A range that nobody has; it is the caller's until `settle`.
   * @throws WasmletError ResourceExhausted when there is none, in the kubelet's words
   */
  take(): UserRange {
    const { first, perHost } = this.#ids;
    const hosts = this.#hosts;
    const found = this.#find(isSomebody) ?? this.#findThoroughly();
    if (found) return found;
    throw new WasmletError(
      'ResourceExhausted',
      'create user namespace: could not find an empty slot to allocate a user namespace: ' +
        `all ${hosts} ranges of ${perHost} ids from ${first} on are taken`,
    );
  }

  #find(isUsed: (uid: number) => boolean): UserRange | undefined {
    const { first, perHost } = this.#ids;
    const hosts = this.#hosts;
    const start = hosts === 0 ? 0 : randomInt(hosts);
    for (let tried = 0; tried < hosts; tried++) {
      const range = { first: first + ((start + tried) % hosts) * perHost, count: perHost };
      if (this.#tryTake(range, isUsed)) return range;
    }
    return undefined;
  }

  /** To the kernel a process that has ended is somebody until its parent has been told, which may be never. */
  #findThoroughly(): UserRange | undefined {
    const living = livingUsers();
    return this.#find((uid) => living.has(uid));
  }

  #tryTake(range: UserRange, isUsed: (uid: number) => boolean): boolean {
    const units = unitsOf(range);
    if (this.#beingStarted.has(range.first)) return false;
    for (const unit of units) {
      const holder = this.#holders.get(unit);
      if (holder && isAlive(holder)) return false;
    }
    // In this order: whoever gives the lock up is seen by then.
    if (this.#locks?.tryLock(units[0] ?? 0, units.length) === false) return false;
    this.#beingStarted.add(range.first);
    if (!units.some((unit) => isUsed(unit * UNIT))) return true;
    this.settle(range);
    return false;
  }

  /** Says which process has a range. @throws WasmletError NotFound when it is gone */
  hold(range: UserRange, pid: number): void {
    const identity = identityOf(pid);
    for (const unit of unitsOf(range)) this.#holders.set(unit, identity);
  }

  /** Says that the process which has a range is its first user by now, or gone. */
  settle(range: UserRange): void {
    if (!this.#beingStarted.delete(range.first)) return;
    const units = unitsOf(range);
    this.#locks?.unlock(units[0] ?? 0, units.length);
  }
}

const processes = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

const livingUsers = (): Set<number> =>
  new Set(
    processes()
      .map(livingUserOf)
      .filter((uid) => uid !== undefined),
  );

/** Numbers of the units that a range has a part of. */
function unitsOf({ first, count }: UserRange): number[] {
  const start = Math.floor(first / UNIT);
  return Array.from({ length: Math.ceil((first + count) / UNIT) - start }, (_, index) => start + index);
}

/** undefined where there can be none, such as in a container without /run: those that start at once may then clash. */
function openLocks(path: string): ByteLocks | undefined {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return new ByteLocks(path);
  } catch {
    return undefined;
  }
}

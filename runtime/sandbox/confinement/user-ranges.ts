import { randomInt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { WasmletError } from '../../../base/errors.ts';
import { identityOf, isAlive } from '../../../base/process.ts';
import type { ProcessIdentity } from '../../../base/process.ts';
import { mapOf } from '../linux/users.ts';
import type { UserRange } from '../linux/users.ts';

/** Ids of users and groups that each host has for itself: as many as the kubelet gives a pod (KEP-127). */
export const IDS_PER_HOST = 65_536;

/**
 * Where they are taken from: ids that no distribution, container manager or directory service gives anybody
 * (systemd.io/UIDS-GIDS, "unused"). None of them is ever the owner of a file on disk.
 */
const FIRST_ID = 0x70000000;
const MAX_HOSTS = 4096;

/**
 * Gives each host ids that no other has. Nothing is written down: the kernel knows whose they are, and a range is free
 * again when its process is gone.
 */
export class UserRanges {
  readonly #holders = new Map<number, ProcessIdentity>();
  readonly #hosts: number;

  /** Looks at the machine's processes: hosts of an earlier supervisor, or of another node on this machine. */
  constructor(hosts = MAX_HOSTS) {
    this.#hosts = hosts;
    for (const name of readdirSync('/proc')) if (/^\d+$/.test(name)) this.#note(Number(name));
  }

  #note(pid: number): void {
    try {
      const range = mapOf(pid);
      if (range && range.first >= FIRST_ID) this.hold(range, pid);
    } catch {
      // It has just ended.
    }
  }

  /** A range that no process has. @throws WasmletError Unavailable when there is none */
  take(): UserRange {
    const start = randomInt(this.#hosts);
    for (let tried = 0; tried < this.#hosts; tried++) {
      const index = (start + tried) % this.#hosts;
      const holder = this.#holders.get(index);
      if (!holder || !isAlive(holder)) return { first: FIRST_ID + index * IDS_PER_HOST, count: IDS_PER_HOST };
    }
    throw new WasmletError('Unavailable', `there are ${this.#hosts} hosts, and no users for another one`);
  }

  /** Says which process has a range. @throws WasmletError NotFound when it is gone */
  hold({ first }: UserRange, pid: number): void {
    this.#holders.set(Math.floor((first - FIRST_ID) / IDS_PER_HOST), identityOf(pid));
  }
}

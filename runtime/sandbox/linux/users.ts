import { closeSync, openSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { WasmletError } from '../../../base/errors.ts';
import { systemCall, SystemCallError } from './call.ts';

/** User namespaces (user_namespaces(7)): ids of users and groups that mean something else inside than outside. */

/** The ids from 0 on, as processes of a namespace call them, are these ones of the machine's. */
export interface UserRange {
  /** The machine's id of what is 0 inside. */
  readonly first: number;
  readonly count: number;
}

/**
 * Says whom the users and groups of a process's new namespace are. Can be said once.
 * @throws system errors: a process that is gone, ranges that this one may not give away
 */
export function mapUsers(pid: number, { first, count }: UserRange): void {
  for (const file of ['uid_map', 'gid_map']) writeFileSync(`/proc/${pid}/${file}`, `0 ${first} ${count}\n`);
}

/** A user namespace other than this process's. */
export interface UserNamespace extends Disposable {
  readonly fd: number;
  readonly range: UserRange;
}

/** Whether a process has users of its own. @throws system errors: a process that is gone */
export const hasOwnUsers = (pid: number): boolean =>
  readlinkSync(`/proc/${pid}/ns/user`) !== readlinkSync('/proc/thread-self/ns/user');

/**
 * The namespace of a process's users; undefined: it is that of this one.
 * @throws system errors: a process that is gone; WasmletError FailedPrecondition before mapUsers
 */
export function usersOf(pid: number): UserNamespace | undefined {
  if (!hasOwnUsers(pid)) return undefined;
  const range = mapOf(pid);
  if (!range) throw new WasmletError('FailedPrecondition', `the users of process ${pid} are nobody's yet`);
  const fd = openSync(`/proc/${pid}/ns/user`, 'r');
  return { fd, range, [Symbol.dispose]: () => closeSync(fd) };
}

/** The first line of a process's map; undefined: it is not made yet. @throws system errors: a process that is gone */
export function mapOf(pid: number): UserRange | undefined {
  const [, first, count] = /^\s*0\s+(\d+)\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/uid_map`, 'utf8')) ?? [];
  return first === undefined || count === undefined ? undefined : { first: Number(first), count: Number(count) };
}

/** sys/resource.h */
const PRIO_USER = 2;

/**
 * Whether any process that this one can see has this user (getpriority(2)), also one that has ended and waits for its
 * parent; 0.02 ms where nobody on the machine has.
 */
export function isSomebody(uid: number): boolean {
  try {
    systemCall('getpriority', PRIO_USER, uid);
    return true;
  } catch (error) {
    if (error instanceof SystemCallError && error.code === 'ESRCH') return false;
    throw error;
  }
}

/** The user of a process; undefined: it has ended. */
export function livingUserOf(pid: number): number | undefined {
  try {
    const [, state = 'X', uid] =
      /^State:\s+(\S).*?^Uid:\s+(\d+)/ms.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return 'ZX'.includes(state) ? undefined : Number(uid);
  } catch {
    return undefined;
  }
}

/** linux/capability.h: a header and two times three words of 32 bits. */
const CAPABILITY_VERSION_3 = 0x20080522;
const CAPABILITIES_BYTES = 24;

/**
 * Runs something, synchronously, as somebody else to files and with all of root's rights the same: what is created has
 * this owner.
 */
export function asOwner<T>(id: number, body: () => T): T {
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const header = Buffer.from(Uint32Array.of(CAPABILITY_VERSION_3, 0).buffer);
  const rights = Buffer.alloc(CAPABILITIES_BYTES);
  systemCall('capget', header, rights);
  const become = (user: number, group: number): void => {
    systemCall('setfsgid', group);
    // The kernel takes rights over files away from who is not root here (capabilities(7)).
    systemCall('setfsuid', user);
    systemCall('capset', header, rights);
  };
  try {
    become(id, id);
    return body();
  } finally {
    become(uid, gid);
  }
}

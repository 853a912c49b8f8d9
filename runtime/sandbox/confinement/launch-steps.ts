import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { step } from '../linux/launcher.ts';
import type { Step } from '../linux/launcher.ts';
import type { Architecture } from '../linux/numbers.ts';
import { hostFilter } from '../linux/seccomp.ts';
import { INSIDE } from './host-root.ts';

/** What is put upon a host before it is executed, as system calls of its launcher. */

/** linux/mount.h */
const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_REMOUNT = 32;
const MS_BIND = 4096;
const MS_REC = 16384;
const MS_PRIVATE = 1 << 18;
const MNT_DETACH = 2;
const CLONE_NEWNS = 0x00020000;

const bind = (source: string, target: string, flags: number): Step[] => [
  step('mount', source, target, 0, MS_BIND, 0),
  // What a bind is allowed is only heard by a second call.
  step('mount', 'none', target, 0, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | flags, 0),
];

/**
 * Of /proc (proc(5), Linux 5.8) a host sees its own process, by whose descriptors its guest's files are reached. V8 reads
 * its own memory map: without it each host has a copy of V8's builtins, 2.3 MB.
 */
const OWN_PROCESS = 'subset=pid,hidepid=ptraceable';

/**
 * A mount namespace of its own, in which nothing is but this folder, read-only, with Node, its code and /proc in it.
 * @param code a folder
 */
export const ownRoot = (root: string, code: string): Step[] => [
  step('unshare', CLONE_NEWNS),
  step('mount', 'none', '/', 0, MS_REC | MS_PRIVATE, 0),
  step('mount', root, root, 0, MS_BIND, 0),
  ...bind(process.execPath, join(root, INSIDE.node), 0),
  ...bind(code, join(root, INSIDE.code), MS_NOEXEC),
  step('mount', 'proc', join(root, INSIDE.proc), 'proc', MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, OWN_PROCESS),
  step('mount', 'none', root, 0, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, 0),
  step('chdir', root),
  // As pivot_root(2) says: the old root comes to lie upon the new one, and is taken off it.
  step('pivot_root', '.', '.'),
  step('umount2', '.', MNT_DETACH),
  step('chdir', '/'),
];

/** linux/capability.h: what containers have of root's rights that a Wasm guest can make use of. */
const CAP_CHOWN = 0;
const CAP_DAC_OVERRIDE = 1;
const CAP_FOWNER = 3;
const CAP_FSETID = 4;
const CAP_SETGID = 6;
const CAP_SETUID = 7;
const CAP_NET_BIND_SERVICE = 10;
export const KEPT_CAPABILITIES: readonly number[] = [
  ...[CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETGID, CAP_SETUID, CAP_NET_BIND_SERVICE],
];

const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;

/** Takes the rest of root's rights away from what is executed next. Needs root. */
export function fewCapabilities(): Step[] {
  const last = Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8'));
  const all = Array.from({ length: last + 1 }, (_, index) => index);
  return all
    .filter((capability) => !KEPT_CAPABILITIES.includes(capability))
    .map((capability) => step('prctl', PR_CAPBSET_DROP, capability));
}

/** asm-generic/resource.h */
const RLIMIT_CORE = 4;
const RLIMIT_NOFILE = 7;
const RLIMIT_MEMLOCK = 8;
const RLIMIT_SIGPENDING = 11;
const RLIMIT_MSGQUEUE = 12;

/** The guest's own bound is 4096 (wasi/core); the rest is for what the host holds open for it. */
export const MAX_DESCRIPTORS = 8192;

/** Signals and timers; those of a host count among the machine's root's too, which would be left without. */
const MAX_PENDING_SIGNALS = 256;

function limit(resource: number, value: number): Step {
  const both = Buffer.alloc(16);
  both.writeBigUInt64LE(BigInt(value), 0);
  both.writeBigUInt64LE(BigInt(value), 8);
  return step('prlimit64', 0, resource, both, 0);
}

export const resourceLimits = (): Step[] => [
  limit(RLIMIT_CORE, 0),
  limit(RLIMIT_NOFILE, MAX_DESCRIPTORS),
  limit(RLIMIT_MEMLOCK, 0),
  limit(RLIMIT_SIGPENDING, MAX_PENDING_SIGNALS),
  limit(RLIMIT_MSGQUEUE, 0),
];

export const noNewPrivileges = (): Step[] => [step('prctl', PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)];

/** Puts a Landlock ruleset upon it that it was given as this descriptor. Needs noNewPrivileges. */
export const restrictedBy = (fd: number): Step[] => [step('landlock_restrict_self', fd, 0), step('close', fd)];

const SECCOMP_SET_MODE_FILTER = 1;

/** The last step, as it refuses the others. Needs noNewPrivileges. */
export const filtered = (architecture: Architecture): Step[] => [
  step('seccomp', SECCOMP_SET_MODE_FILTER, 0, { filter: hostFilter(architecture) }),
];

import { constants } from 'node:os';
import { HIGHEST_KNOWN_NUMBER } from './numbers.ts';
import type { Architecture, SystemCall } from './numbers.ts';

/**
 * The seccomp filter of hosts (seccomp(2)): a list of what Node and its guests never need, each refused with an errno so
 * that a library which tries goes on without. Calls that are younger than this list do not exist.
 */

/** Refused with EPERM whatever their arguments. */
const DENIED: readonly SystemCall[] = [
  // other processes: their memory, descriptors, signals, scheduling
  ...(['ptrace', 'process_vm_readv', 'process_vm_writev', 'process_madvise', 'process_mrelease', 'kcmp'] as const),
  ...(['pidfd_open', 'pidfd_getfd', 'pidfd_send_signal'] as const),
  ...(['kill', 'tkill', 'rt_sigqueueinfo', 'rt_tgsigqueueinfo'] as const),
  ...(['setpriority', 'sched_setscheduler', 'sched_setparam', 'sched_setattr', 'sched_setaffinity'] as const),
  ...(['ioprio_set', 'migrate_pages', 'move_pages'] as const),
  // new processes: a host is one, with threads
  ...(['fork', 'vfork'] as const),
  // what is mounted, and namespaces
  ...(['mount', 'umount2', 'pivot_root', 'chroot', 'open_tree', 'open_tree_attr', 'move_mount'] as const),
  ...(['fsopen', 'fsconfig', 'fsmount', 'fspick', 'mount_setattr', 'statmount', 'listmount'] as const),
  ...(['swapon', 'swapoff', 'quotactl', 'quotactl_fd', 'unshare', 'setns'] as const),
  // ways around paths, and files that are none
  ...(['name_to_handle_at', 'open_by_handle_at', 'mknod', 'mknodat', 'fanotify_init', 'fanotify_mark'] as const),
  // what all users of the machine together have few of: a host has no use for them (those of its own users count too)
  ...(['inotify_init', 'inotify_init1'] as const),
  // a Unix socket by another way than socket: one for datagrams sends to any other by its name
  'socketpair',
  // large parts of the kernel that are attacked most
  ...(['bpf', 'perf_event_open', 'userfaultfd', 'memfd_secret'] as const),
  ...(['io_uring_setup', 'io_uring_enter', 'io_uring_register'] as const),
  // keys and memory that processes share by number, across all pods
  ...(['add_key', 'request_key', 'keyctl'] as const),
  ...(['shmget', 'shmat', 'shmctl', 'shmdt', 'semget', 'semop', 'semctl', 'semtimedop'] as const),
  ...(['msgget', 'msgsnd', 'msgrcv', 'msgctl', 'mq_open', 'mq_unlink'] as const),
  // the machine itself
  ...(['kexec_load', 'kexec_file_load', 'reboot', 'init_module', 'finit_module', 'delete_module'] as const),
  ...(['create_module', 'query_module', 'get_kernel_syms', 'syslog', 'acct', 'sethostname', 'setdomainname'] as const),
  ...(['settimeofday', 'clock_settime', 'clock_adjtime', 'adjtimex', 'iopl', 'ioperm', 'modify_ldt'] as const),
  ...(['vhangup', 'nfsservctl', 'lookup_dcookie', 'personality', 'uselib', 'ustat', 'sysfs', '_sysctl'] as const),
  'afs_syscall',
];

/** Stands in the filter for the process's own id, which only the launcher knows: it puts it in. */
export const OWN_PID = 0xdeadbeef;

const CLONE_THREAD = 0x00010000;
/** Calls that give a file permissions, and which argument these are. */
const MODE_ARGUMENTS: readonly (readonly [SystemCall, number])[] = [
  ...([
    ['chmod', 1],
    ['fchmod', 1],
    ['fchmodat', 2],
    ['fchmodat2', 2],
    ['creat', 1],
  ] as const),
];
/** Those that do so where they create one: which argument says that. */
const OPENING: readonly (readonly [SystemCall, number])[] = [
  ...([
    ['open', 1],
    ['openat', 2],
  ] as const),
];
const S_ISUID = 0o4000;
/** O_CREAT and the bit of O_TMPFILE. */
const CREATES = 0o100 | 0o20000000;
/** asm-generic/ioctls.h: typing into a terminal. */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
/** asm-generic/sockios.h, asm-generic/fcntl.h: which process a descriptor signals, and by what (SIGKILL, say). */
const FIOSETOWN = 0x8901;
const SIOCSPGRP = 0x8902;
const F_SETOWN = 8;
const F_SETSIG = 10;
const F_SETOWN_EX = 15;
const AF_INET = 2;
const AF_INET6 = 10;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
/** x86-64's second set of numbers for the same calls, which a list of the first would miss. */
const X32_BIT = 0x40000000;

/** linux/bpf_common.h and linux/filter.h: what the instructions used here are called. */
const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_EQUAL = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

/** linux/seccomp.h: struct seccomp_data. */
const NUMBER_OFFSET = 0;
const ARCHITECTURE_OFFSET = 4;
/** The low half of an argument, on little-endian machines as both are. */
const argumentOffset = (index: number): number => 16 + index * 8;

const KILL_PROCESS = 0x80000000;
const ALLOW = 0x7fff0000;
const errno = (name: keyof typeof constants.errno): number => 0x00050000 | constants.errno[name];

interface Instruction {
  readonly code: number;
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly value: number;
}

const plain = (code: number, value: number): Instruction => ({ code, ifTrue: 0, ifFalse: 0, value });
const load = (offset: number): Instruction => plain(LOAD, offset);
const returns = (action: number): Instruction => plain(RETURN, action);
const isOneOf = (values: readonly number[], otherwise: number): Instruction[] =>
  // Each match jumps over the comparisons that are left and the refusal.
  [
    ...values.map((value, index) => ({ code: JUMP_EQUAL, ifTrue: values.length - index, ifFalse: 0, value })),
    returns(otherwise),
  ];

/** For one call: a test of its arguments, then what is allowed. Skipped by all others. */
const forCall = (number: number | null, body: readonly Instruction[]): Instruction[] =>
  number === null
    ? []
    : [{ code: JUMP_EQUAL, ifTrue: 0, ifFalse: body.length + 1, value: number }, ...body, returns(ALLOW)];

const refuse = (number: number | null, action: number): Instruction[] =>
  number === null ? [] : [{ code: JUMP_EQUAL, ifTrue: 0, ifFalse: 1, value: number }, returns(action)];

const refuseBits = (argument: number, bits: number, action: number): Instruction[] => [
  load(argumentOffset(argument)),
  { code: JUMP_ANY_BIT, ifTrue: 0, ifFalse: 1, value: bits },
  returns(action),
];

/**
 * No program of root's for others: what a host writes lies on disk as root's, where not all that reach it have it mounted
 * without such bits (the folder of logs, say).
 */
function withoutSetUid(numberOf: (name: SystemCall) => number | null): Instruction[] {
  const denied = errno('EPERM');
  return [
    ...MODE_ARGUMENTS.flatMap(([name, mode]) => forCall(numberOf(name), refuseBits(mode, S_ISUID, denied))),
    ...OPENING.flatMap(([name, flags]) => {
      const refusal = refuseBits(flags + 1, S_ISUID, denied);
      const skip = { code: JUMP_ANY_BIT, ifTrue: 0, ifFalse: refusal.length, value: CREATES };
      return forCall(numberOf(name), [load(argumentOffset(flags)), skip, ...refusal]);
    }),
    // Its arguments lie in memory; nothing that a host runs needs it.
    ...refuse(numberOf('openat2'), errno('ENOSYS')),
  ];
}

/** Calls of which only some uses are refused. */
function byArguments(architecture: Architecture): Instruction[] {
  const numberOf = (name: SystemCall): number | null => architecture.numberOf(name);
  const denied = errno('EPERM');
  return [
    ...forCall(numberOf('ioctl'), [
      load(argumentOffset(1)),
      ...[TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP].flatMap((request) => refuse(request, denied)),
    ]),
    ...forCall(numberOf('fcntl'), [
      load(argumentOffset(1)),
      ...[F_SETOWN, F_SETSIG, F_SETOWN_EX].flatMap((command) => refuse(command, denied)),
    ]),
    // Threads, no processes; with CLONE_THREAD the kernel refuses every new namespace but time and cgroup, which need
    // rights that a host does not have.
    ...forCall(numberOf('clone'), [
      load(argumentOffset(0)),
      { code: JUMP_ANY_BIT, ifTrue: 1, ifFalse: 0, value: CLONE_THREAD },
      returns(denied),
    ]),
    ...withoutSetUid(numberOf),
    // Its arguments lie in memory, where no filter can see them; the C library goes on with clone.
    ...refuse(numberOf('clone3'), errno('ENOSYS')),
    ...forCall(numberOf('socket'), [
      load(argumentOffset(0)),
      ...isOneOf([AF_INET, AF_INET6], errno('EAFNOSUPPORT')),
      load(argumentOffset(2)),
      ...isOneOf([0, IPPROTO_TCP, IPPROTO_UDP], errno('EPROTONOSUPPORT')),
    ]),
    // What raise(3), abort(3) and the C library's own signals to its threads use.
    ...forCall(numberOf('tgkill'), [load(argumentOffset(0)), ...isOneOf([OWN_PID], denied)]),
    ...forCall(numberOf('prlimit64'), [load(argumentOffset(0)), ...isOneOf([0, OWN_PID], denied)]),
  ];
}

/**
 * The filter as struct sock_filter has it: eight bytes to an instruction. OWN_PID has still to be put in.
 */
export function hostFilter(architecture: Architecture): Buffer {
  const instructions = [
    load(ARCHITECTURE_OFFSET),
    ...isOneOf([architecture.audit], KILL_PROCESS),
    load(NUMBER_OFFSET),
    { code: JUMP_GREATER_EQUAL, ifTrue: 0, ifFalse: 1, value: X32_BIT },
    returns(errno('EPERM')),
    { code: JUMP_GREATER_EQUAL, ifTrue: 0, ifFalse: 1, value: HIGHEST_KNOWN_NUMBER + 1 },
    returns(errno('ENOSYS')),
    ...byArguments(architecture),
    ...DENIED.flatMap((name) => refuse(architecture.numberOf(name), errno('EPERM'))),
    returns(ALLOW),
  ];
  const filter = Buffer.alloc(instructions.length * 8);
  for (const [index, { code, ifTrue, ifFalse, value }] of instructions.entries()) {
    const at = index * 8;
    filter.writeUInt16LE(code, at);
    filter.writeUInt8(ifTrue, at + 2);
    filter.writeUInt8(ifFalse, at + 3);
    filter.writeUInt32LE(value >>> 0, at + 4);
  }
  return filter;
}

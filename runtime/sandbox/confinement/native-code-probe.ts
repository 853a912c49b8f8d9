import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import * as fs from 'node:fs';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { systemCall } from '../linux/call.ts';
import type { Argument } from '../linux/call.ts';
import type { SystemCall } from '../linux/numbers.ts';
import type { Reach } from './reach.ts';

/**
 * What native-code.test.ts runs in place of a host: a guest that has become native code, which knows all that there is
 * to know of the machine and makes any system call, from every kind of thread that Node has.
 */

/** What lies outside, and what is its own. Paths of the first are the machine's. */
export interface Target extends Reach {
  /** A folder of another pod, with files `secret`, `token` and `config`, to which root alone has access. */
  readonly outside: string;
  /** A process of another pod. */
  readonly pid: number;
  /** A socket that somebody else listens on, and the name of an abstract one. */
  readonly socket: string;
  readonly abstractSocket: string;
  readonly hostname: string;
  readonly onlyMain: boolean;
}

/** What came of each attempt: 'ok', or an errno. */
export type Outcomes = Readonly<Record<string, string>>;

export interface Report {
  readonly own: Outcomes;
  readonly main: Outcomes;
  readonly worker: Outcomes;
  readonly pool: Outcomes;
}

const REQUEST_FD = 3;
const AT_FDCWD = -100;
const MAX_REQUEST_BYTES = 64 * 1024;

type Attempts = Readonly<Record<string, () => unknown>>;

const int32 = (...values: number[]): Buffer => Buffer.from(Int32Array.from(values).buffer);

const call = (name: SystemCall, ...args: readonly Argument[]): number => systemCall(name, ...args);

/** Opens a file, and closes it. */
const open = (path: string, flags: string | number = 'r'): void => closeSync(openSync(path, flags));

function connectTo(address: Buffer): void {
  const fd = call('socket', 1, 1, 0);
  try {
    call('connect', fd, address, address.length);
  } finally {
    closeSync(fd);
  }
}

const AF_UNIX = Buffer.from([1, 0]);

/** Files that belong to others, by every way that there is to name them. */
function filesOutside({ outside, root, pid }: Target): Attempts {
  const secret = join(outside, 'secret');
  const own = (name: string): string => join(root, name);
  return {
    'read a file of another pod': () => open(secret),
    "read another pod's token": () => open(join(outside, 'token')),
    "open the agent's kubeconfig": () => open(join(outside, 'config')),
    'write to a file of another pod': () => open(secret, 'r+'),
    'make a file outside': () => {
      open(join(outside, 'made'), 'w');
      fs.rmSync(join(outside, 'made'));
    },
    'make a folder outside': () => fs.rmdirSync(fs.mkdtempSync(join(outside, 'folder-'))),
    'list a folder outside': () => fs.readdirSync(outside),
    'list the root of the machine': () => {
      if (!fs.readdirSync('/').includes('etc')) throw Object.assign(new Error(), { code: 'ENOENT' });
    },
    'change the mode of a file outside': () => fs.chmodSync(secret, 0o600),
    'change the owner of a file outside': () =>
      fs.lchownSync(secret, fs.statSync(outside).uid, fs.statSync(outside).gid),
    'change the times of a file outside': () => fs.utimesSync(secret, 1, 1),
    'change an attribute of a file outside': () => call('setxattr', secret, 'user.x', 'y', 1, 0),
    'truncate a file outside': () => fs.truncateSync(join(outside, 'long'), 1),
    'rename a file outside': () => {
      fs.renameSync(join(outside, 'long'), join(outside, 'longer'));
      fs.renameSync(join(outside, 'longer'), join(outside, 'long'));
    },
    'remove a file outside': () => {
      fs.rmSync(join(outside, 'surplus'));
      fs.writeFileSync(join(outside, 'surplus'), '');
    },
    'follow a link of its own to the outside': () => {
      fs.symlinkSync(secret, own('link'));
      try {
        open(own('link'));
      } finally {
        fs.rmSync(own('link'));
      }
    },
    'climb out of its folder': () => open(`${root}${'/..'.repeat(20)}${secret}`),
    'make a hard link to a file outside': () => {
      fs.linkSync(secret, join(outside, 'hard'));
      fs.rmSync(join(outside, 'hard'));
    },
    'open a file outside by its handle': () => openByHandle(secret),
    'read a file through the root of another process': () => open(`/proc/${pid}/root${secret}`),
    'read a file through the working directory of another process': () => open(`/proc/${pid}/cwd/secret`),
    'make a device': () => {
      call('mknodat', AT_FDCWD, own('device'), 0o20600, 0x103);
      fs.rmSync(own('device'));
    },
  };
}

function openByHandle(path: string): void {
  const handle = Buffer.alloc(8 + 128);
  handle.writeUInt32LE(128, 0);
  const mount = Buffer.alloc(4);
  call('name_to_handle_at', AT_FDCWD, path, handle, mount, 0);
  const anywhere = openSync('/', 'r');
  try {
    closeSync(call('open_by_handle_at', anywhere, handle, 0));
  } finally {
    closeSync(anywhere);
  }
}

/** Has a file get a mode, and says so if it has not. */
function writeMode(path: string, mode: number, change: (path: string, mode: number) => void): void {
  fs.writeFileSync(path, '');
  try {
    change(path, mode);
    if ((fs.statSync(path).mode & 0o7777) !== mode) throw Object.assign(new Error(), { code: 'EPERM' });
  } finally {
    fs.rmSync(path, { force: true });
  }
}

/** What its container has, but not to be used so. */
function filesInside({ mounts, logPath = '', directory = '' }: Target): Attempts {
  const readonly = mounts.find((mount) => mount.readonly)?.hostPath ?? '';
  const logs = join(logPath, '..');
  return {
    'write to a volume that is read-only': () => open(join(readonly, 'file'), 'r+'),
    'make a file in a volume that is read-only': () => open(join(readonly, 'made'), 'w'),
    'change the mode of a file that is read-only': () => fs.chmodSync(join(readonly, 'file'), 0o600),
    'change the times of a file that is read-only': () => fs.utimesSync(join(readonly, 'file'), 1, 1),
    "make a program of root's for others": () => {
      writeMode(join(logs, 'program'), 0o4755, (path, mode) => fs.chmodSync(path, mode));
    },
    "make a program of root's as it is created": () => {
      writeMode(join(logs, 'program'), 0o4755, (path, mode) => {
        fs.rmSync(path);
        closeSync(openSync(path, 'w', mode));
      });
    },
    "make a program of root's by a descriptor": () => {
      writeMode(join(logs, 'program'), 0o4755, (path, mode) => {
        const fd = openSync(path, 'r');
        call('fchmod', fd, mode);
        closeSync(fd);
      });
    },
    'lay a link among its logs': () => {
      fs.symlinkSync('/etc/shadow', join(logs, 'link'));
      fs.rmSync(join(logs, 'link'));
    },
    'lay a link among its records': () => {
      fs.symlinkSync('/etc/shadow', join(directory, 'link'));
      fs.rmSync(join(directory, 'link'));
    },
  };
}

/** siginfo_t of a signal with SI_QUEUE, as processes may send to others. */
const queued = (): Buffer => {
  const info = Buffer.alloc(128);
  info.writeInt32LE(-1, 8);
  return info;
};

const PTRACE_SEIZE = 0x4206;
const F_SETOWN = 8;
const F_SETSIG = 10;
const SIOCSPGRP = 0x8902;

function processes({ pid }: Target): Attempts {
  const iovec = (memory: Buffer): Buffer => {
    const vector = Buffer.alloc(16);
    vector.writeBigUInt64LE(process.getBuiltinModule('node:ffi').getRawPointer(memory), 0);
    vector.writeBigUInt64LE(8n, 8);
    return vector;
  };
  const attempts: Attempts = {
    'ask whether it may signal another process': () => call('kill', pid, 0),
    'signal a thread of another process': () => call('tgkill', pid, pid, 0),
    'queue a signal to another process': () => call('rt_sigqueueinfo', pid, 0, queued()),
    'get hold of another process': () => closeSync(call('pidfd_open', pid, 0)),
    'trace another process': () => call('ptrace', PTRACE_SEIZE, pid, 0, 0),
    "read another process's memory": () => {
      const memory = Buffer.alloc(8);
      const [start = ''] = fs.readFileSync(`/proc/${pid}/maps`, 'utf8').split('-');
      const remote = Buffer.alloc(16);
      remote.writeBigUInt64LE(BigInt(`0x${start}`), 0);
      remote.writeBigUInt64LE(8n, 8);
      call('process_vm_readv', pid, iovec(memory), 1, remote, 1, 0);
    },
    "open another process's memory": () => open(`/proc/${pid}/mem`),
    "read another process's environment": () => fs.readFileSync(`/proc/${pid}/environ`),
    "read another process's command line": () => fs.readFileSync(`/proc/${pid}/cmdline`),
    'list the descriptors of another process': () => fs.readdirSync(`/proc/${pid}/fd`),
    'compare itself with another process': () => call('kcmp', process.pid, pid, 2, 0, 0),
    'slow another process down': () => call('setpriority', 0, pid, 0),
    'choose the processor of another process': () => call('sched_setaffinity', pid, 8, Buffer.alloc(8, 0xff)),
    'choose the disk priority of another process': () => call('ioprio_set', 1, pid, 2 << 13),
    'read the limits of another process': () => call('prlimit64', pid, 7, 0, Buffer.alloc(16)),
    'choose whom a descriptor signals': () => call('fcntl', REQUEST_FD, F_SETOWN, pid),
    'choose what a descriptor signals': () => call('fcntl', REQUEST_FD, F_SETSIG, 0),
    'choose whom a socket signals': () => call('ioctl', REQUEST_FD, SIOCSPGRP, int32(pid)),
    'start a process': () => {
      const { error } = spawnSync(process.execPath, ['--version']);
      if (error) throw error;
    },
  };
  return attempts;
}

const CLONE_NEWUTS = 0x04000000;
const CLONE_NEWNET = 0x40000000;

/** Parts of the machine that are nobody's. */
function machine({ pid, root, hostname }: Target): Attempts {
  return {
    'enter a namespace of its own making': () => call('unshare', CLONE_NEWUTS),
    'enter the network of another process': () => {
      const fd = openSync(`/proc/${pid}/ns/net`, 'r');
      try {
        call('setns', fd, CLONE_NEWNET);
      } finally {
        closeSync(fd);
      }
    },
    'mount something': () => {
      call('mount', 'none', root, 'tmpfs', 0, 0);
      call('umount2', root, 2);
    },
    'make a file system': () => closeSync(call('fsopen', 'tmpfs', 0)),
    'clone a mount': () => closeSync(call('open_tree', AT_FDCWD, root, 1)),
    'change its root': () => call('chroot', '/'),
    'make a BPF map': () => closeSync(call('bpf', 0, int32(2, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0), 48)),
    'measure the kernel': () => {
      const attributes = Buffer.alloc(128);
      attributes.writeUInt32LE(1, 0);
      attributes.writeUInt32LE(128, 4);
      closeSync(call('perf_event_open', attributes, 0, -1, -1, 0));
    },
    'handle page faults': () => closeSync(call('userfaultfd', 0)),
    'set up an io_uring': () => closeSync(call('io_uring_setup', 1, Buffer.alloc(120))),
    'reach a keyring': () => call('keyctl', 0, -3, 1),
    "read the kernel's log": () => call('syslog', 10, 0, 0),
    "change the machine's name": () => call('sethostname', hostname, Buffer.byteLength(hostname)),
    'change its personality': () => call('personality', 0xffffffff),
    'open the switch that empties the caches': () => open('/proc/sys/vm/drop_caches', fs.constants.O_WRONLY),
    'open a setting of the kernel': () => open('/proc/sys/kernel/core_pattern', fs.constants.O_WRONLY),
    "open the machine's memory map": () => open('/proc/iomem'),
    'raise a limit that it is held to': () => {
      const core = Buffer.alloc(16);
      core.writeBigUInt64LE(1n, 0);
      core.writeBigUInt64LE(1n, 8);
      call('prlimit64', 0, 4, core, 0);
    },
    'watch files': () => closeSync(call('inotify_init1', 0)),
    'make a thousand timers': () => {
      for (let count = 0; count < 1000; count++) call('timer_create', 1, 0, Buffer.alloc(8));
    },
    'share memory by number': () => call('shmctl', call('shmget', 0, 4096, 0o1600), 0, 0),
    'make semaphores': () => call('semctl', call('semget', 0, 1, 0o1600), 0, 0, 0),
    'make a queue of messages': () => call('msgctl', call('msgget', 0, 0o1600), 0, 0),
    'make a named queue': () => {
      const name = `wasmlet-test-${process.pid}`;
      closeSync(call('mq_open', name, 0o102, 0o600, 0));
      call('mq_unlink', name);
    },
  };
}

function sockets({ socket, abstractSocket }: Target): Attempts {
  const open = (...args: readonly number[]) => {
    closeSync(call('socket', ...args));
  };
  return {
    "connect to somebody's socket": () => connectTo(Buffer.concat([AF_UNIX, Buffer.from(`${socket}\0`)])),
    'connect to an abstract socket': () => connectTo(Buffer.concat([AF_UNIX, Buffer.from(`\0${abstractSocket}`)])),
    'make a pair of Unix sockets': () => {
      const pair = int32(0, 0);
      call('socketpair', 1, 2, 0, pair);
      closeSync(pair.readInt32LE(0));
      closeSync(pair.readInt32LE(4));
    },
    'open a socket to the kernel': () => open(16, 3, 0),
    'open a packet socket': () => open(17, 3, 0),
    'open a raw socket': () => open(2, 3, 1),
  };
}

export const attemptsOf = (target: Target): Attempts => ({
  ...filesOutside(target),
  ...filesInside(target),
  ...processes(target),
  ...machine(target),
  ...sockets(target),
});

/** What its container is for. */
function ownAffairs({ root, mounts, logPath = '', directory = '' }: Target): Attempts {
  return {
    'read and write its root': () => {
      fs.writeFileSync(join(root, 'file'), 'text');
      fs.mkdirSync(join(root, 'folder'));
      fs.renameSync(join(root, 'file'), join(root, 'folder', 'file'));
      fs.symlinkSync('folder/file', join(root, 'link'));
      if (fs.readFileSync(join(root, 'link'), 'utf8') !== 'text') throw new Error('other content');
      fs.chmodSync(join(root, 'folder', 'file'), 0o640);
      fs.chownSync(join(root, 'folder', 'file'), 1000, 1000);
      fs.rmSync(join(root, 'link'));
      fs.rmSync(join(root, 'folder'), { recursive: true });
    },
    'reach a descriptor by its path': () => {
      const fd = openSync(root, 'r');
      fs.writeFileSync(`/proc/self/fd/${fd}/through`, '');
      fs.rmSync(`/proc/self/fd/${fd}/through`);
      closeSync(fd);
    },
    'write to its volumes': () => {
      for (const { hostPath, readonly } of mounts) if (!readonly) fs.writeFileSync(join(hostPath, 'written'), 'text');
    },
    'read what is read-only': () => {
      for (const { hostPath, readonly } of mounts) if (readonly) fs.readFileSync(join(hostPath, 'file'));
    },
    'write and rotate its log': () => {
      fs.writeFileSync(logPath, 'line\n', { flag: 'a' });
      fs.renameSync(logPath, `${logPath}.1`);
      fs.rmSync(`${logPath}.1`);
    },
    'note its end': () => {
      fs.writeFileSync(join(directory, 'exit.json.tmp'), '{}');
      fs.renameSync(join(directory, 'exit.json.tmp'), join(directory, 'exit.json'));
    },
    'use the network': () => closeSync(call('socket', 2, 1, 0)),
    'signal itself': () => call('tgkill', process.pid, process.pid, 0),
  };
}

function run(attempts: Attempts): Outcomes {
  return Object.fromEntries(
    Object.entries(attempts).map(([name, attempt]) => {
      try {
        attempt();
        return [name, 'ok'];
      } catch (error) {
        return [name, error instanceof Error && 'code' in error ? String(error.code) : String(error)];
      }
    }),
  );
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

/** Node's own asynchronous calls, which run in threads that are older than this code. */
async function runInPool({ outside, pid }: Target): Promise<Outcomes> {
  const attempts: Readonly<Record<string, () => Promise<unknown>>> = {
    'read a file of another pod': () => fs.promises.readFile(join(outside, 'secret')),
    'make a file outside': () => fs.promises.writeFile(join(outside, 'made-in-pool'), ''),
    'list a folder outside': () => fs.promises.readdir(outside),
    "read another process's environment": () => fs.promises.readFile(`/proc/${pid}/environ`),
    'read a file through the root of another process': () => fs.promises.readFile(`/proc/${pid}/root${outside}/secret`),
  };
  const outcomes: Record<string, string> = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    outcomes[name] = await attempt().then(() => 'ok', codeOf);
  }
  return outcomes;
}

function runInWorker(target: Target): Promise<Outcomes> {
  // A process is traced by one thread.
  if (target.onlyMain) return Promise.resolve({});
  return new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: target });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

function receive(): Target {
  const bytes = Buffer.alloc(MAX_REQUEST_BYTES);
  return JSON.parse(bytes.toString('utf8', 0, readSync(REQUEST_FD, bytes))) as Target;
}

async function main(): Promise<void> {
  writeSync(REQUEST_FD, 'ready\n');
  const target = receive();
  const report: Report = {
    own: run(ownAffairs(target)),
    pool: await runInPool(target),
    worker: await runInWorker(target),
    main: run(attemptsOf(target)),
  };
  writeSync(REQUEST_FD, `${JSON.stringify(report)}\n`);
  // Until whoever looks at its threads has seen enough.
  readSync(REQUEST_FD, Buffer.alloc(1));
}

if (isMainThread) void main();
else parentPort?.postMessage(run(attemptsOf(workerData as Target)));

import { execFile } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf, WasmletError } from '../../../base/errors.ts';

/**
 * Network namespaces without a process in them: each is a file that the kernel's object is mounted on, as `ip netns`
 * and containerd keep theirs, so that `ip netns exec` works on them. Made by util-linux, as Node has no system calls.
 */

/** On a tmpfs everywhere: a reboot takes the files with the namespaces. */
const NAMESPACES = '/run/netns';

/** The first port that needs no rights, in the namespace of who reads it (Linux' networking/ip-sysctl.rst). */
const PORTS_FROM = '/proc/sys/net/ipv4/ip_unprivileged_port_start';

/** The first port of a network that needs no rights. @param netns undefined: the node's */
export function firstFreePort(netns: string | undefined): number {
  if (netns !== undefined && isWritable(PORTS_FROM)) return 0;
  return Number(readFileSync(PORTS_FROM, 'utf8'));
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** linux/magic.h: what statfs(2) says of a file that a namespace is mounted on. */
const NSFS_MAGIC = 0x6e736673;
const CAP_SYS_ADMIN = 21n;
const TOOL_TIMEOUT_MS = 10_000;

const run = promisify(execFile);

/** Path of a program of the system; undefined where it is not installed. */
function findTool(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
  return folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function tool(name: string): string {
  const path = findTool(name);
  if (path === undefined) throw new WasmletError('FailedPrecondition', `${name} is not installed`);
  return path;
}

/** Why pods cannot have a network namespace together, where each can have one; undefined: they can. */
export const missingMeansToShare = (): string | undefined =>
  findTool('ip') === undefined ? 'ip is not installed (iproute2)' : undefined;

/** Why this process can make no network namespaces; undefined: it can. */
export function missingMeans(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (!maySetNamespaces()) return 'network namespaces need root (CAP_SYS_ADMIN)';
  const missing = ['unshare', 'nsenter', 'umount'].filter((name) => findTool(name) === undefined);
  return missing.length === 0 ? undefined : `${missing.join(', ')} must be installed (util-linux)`;
}

function maySetNamespaces(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${effective}`) >> CAP_SYS_ADMIN) & 1n) === 1n;
}

/** Path of the namespace with this name. */
export const namespacePath = (name: string): string => join(NAMESPACES, name);

/** Names of the namespaces whose names begin so. */
export async function listNamespaces(prefix: string): Promise<string[]> {
  try {
    return (await readdir(NAMESPACES)).filter((name) => name.startsWith(prefix));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/**
 * Whose root a pod's is does not matter in its own network: all ports are free, as under containerd
 * (enable_unprivileged_ports). Where the machine does not allow it, ports below 1024 need a root of the node's own.
 */
const FREE_ALL_PORTS = `echo 0 > ${PORTS_FROM} || true`;

/**
 * Makes a network namespace.
 * @throws WasmletError FailedPrecondition when the system does not allow it
 */
export async function createNamespace(path: string): Promise<void> {
  await mkdir(NAMESPACES, { recursive: true, mode: 0o755 });
  await writeFile(path, '', { flag: 'wx', mode: 0o444 });
  try {
    const command = [tool('sh'), '-c', FREE_ALL_PORTS];
    await run(tool('unshare'), [`--net=${path}`, '--', ...command], { timeout: TOOL_TIMEOUT_MS });
  } catch (cause) {
    await rm(path, { force: true });
    throw new WasmletError('FailedPrecondition', `failed to create network namespace: ${stderrOf(cause)}`, { cause });
  }
}

/** Whether a namespace stands at this path. */
export async function isNamespace(path: string): Promise<boolean> {
  try {
    return (await statfs(path)).type === NSFS_MAGIC;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Removes a namespace's name; the kernel's object goes with its last process. Idempotent. */
export async function removeNamespace(path: string): Promise<void> {
  if (await isNamespace(path)) {
    try {
      await run(tool('umount'), ['--lazy', '--', path], { timeout: TOOL_TIMEOUT_MS });
    } catch (cause) {
      const message = `failed to remove network namespace ${path}: ${stderrOf(cause)}`;
      throw new WasmletError('FailedPrecondition', message, { cause });
    }
  }
  await rm(path, { force: true });
}

const stderrOf = (error: unknown): string =>
  error instanceof Error && 'stderr' in error && typeof error.stderr === 'string' && error.stderr !== ''
    ? error.stderr.trim()
    : String(error);

/**
 * Runs a program of the system inside a namespace to its end.
 * @param input what it reads
 * @returns what it has answered
 * @throws WasmletError FailedPrecondition with what it says when it fails
 */
export async function runInside(path: string, name: string, args: readonly string[], input = ''): Promise<string> {
  const running = run(...insideNamespace(path, tool(name), args), { timeout: TOOL_TIMEOUT_MS });
  // A program that fails need not read all of it.
  running.child.stdin?.on('error', () => undefined).end(input);
  try {
    return (await running).stdout;
  } catch (cause) {
    const message = `${name} failed in network namespace ${path}: ${stderrOf(cause)}`;
    throw new WasmletError('FailedPrecondition', message, { cause });
  }
}

/**
 * The command that runs a program inside a namespace. It costs a millisecond, and leaves no process between: nsenter
 * becomes the program.
 */
export const insideNamespace = (path: string, program: string, args: readonly string[]): [string, string[]] => [
  tool('nsenter'),
  [`--net=${path}`, '--', program, ...args],
];

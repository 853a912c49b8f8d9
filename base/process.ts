import { readFileSync, readlinkSync } from 'node:fs';
import { errnoOf, WasmletError } from './errors.ts';

/**
 * Which process is meant. A pid alone is used again sooner or later: only together with the start time and the boot
 * does it name one process for good.
 */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot (proc_pid_stat(5)). */
  readonly startTime: string;
  /** /proc/sys/kernel/random/boot_id */
  readonly bootId: string;
}

let knownBootId: string | undefined;

/** The kernel's id of this boot. */
export function bootId(): string {
  knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return knownBootId;
}

interface ProcessStat {
  /** One letter; Z and X are dead. */
  readonly state: string;
  readonly startTime: string;
  /** Clock ticks spent in user and kernel mode. */
  readonly cpuTicks: number;
}

/** Parses /proc/<pid>/stat; the name in parentheses may itself hold spaces and parentheses. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  if (state === undefined || startTime === undefined) return undefined;
  return { state, startTime, cpuTicks: Number(fields[11]) + Number(fields[12]) };
}

function statOf(pid: number): ProcessStat | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}

/**
 * The identity of a process that runs now.
 * @throws WasmletError NotFound
 */
export function identityOf(pid: number): ProcessIdentity {
  const stat = statOf(pid);
  if (!stat) throw new WasmletError('NotFound', `process ${pid} is gone`);
  return { pid, startTime: stat.startTime, bootId: bootId() };
}

/** Whether exactly this process still runs; a zombie that its parent never reaps does not. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== bootId()) return false;
  const stat = statOf(identity.pid);
  return stat?.startTime === identity.startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/**
 * Whether a process is gone, or so near its end that nothing can be done with it: the kernel takes its namespaces and
 * descriptors a moment before it is a zombie.
 */
export function isEnding(identity: ProcessIdentity): boolean {
  if (!isAlive(identity)) return true;
  try {
    readlinkSync(`/proc/${identity.pid}/ns/mnt`);
    return false;
  } catch (error) {
    return errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH';
  }
}

/**
 * Sends a signal to exactly this process.
 * @returns false when it is gone
 */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    return process.kill(identity.pid, signal);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
    throw error;
  }
}

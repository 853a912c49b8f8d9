import { readdir, readFile, readlink } from 'node:fs/promises';
import type { TestAgent } from '../support/agent.ts';

const CLOCK_TICKS_PER_SECOND = 100;

/** CPU time of a process in seconds, user and system; 0 when it is gone. */
export async function cpuSeconds(pid: number): Promise<number> {
  const fields = await statFields(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / CLOCK_TICKS_PER_SECOND;
}

/** Memory of a process that no other one shares and no file stands behind, in MiB; 0 when it is gone. */
export async function anonymousMemory(pid: number): Promise<number> {
  return kilobytes(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => ''), 'RssAnon') / 1024;
}

/** The fields of /proc/PID/stat behind the name, which stands in parentheses and may hold anything. */
async function statFields(pid: number): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Agent, supervisor and hosts: the processes that have a file of the agent's folder open, and their children. */
export async function processesOf(agent: TestAgent): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = new Set<number>([agent.pid]);
  for (const pid of pids) if (pid !== process.pid && (await hasOpen(pid, agent.folder))) found.add(pid);
  for (const pid of pids) if (found.has(Number((await statFields(pid))[1]))) found.add(pid);
  return [...found];
}

async function hasOpen(pid: number, folder: string): Promise<boolean> {
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const open = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  return open.some((path) => path.startsWith(`${folder}/`));
}

/** MemAvailable of the machine in MiB. */
export async function memoryAvailable(): Promise<number> {
  return kilobytes(await readFile('/proc/meminfo', 'utf8'), 'MemAvailable') / 1024;
}

function kilobytes(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
}

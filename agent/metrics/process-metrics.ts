import { readdir, readFile } from 'node:fs/promises';
import { parseProcessStat } from '../../base/process.ts';
import type { FamilySpec, MetricFamily } from './exposition.ts';

/** USER_HZ: 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;
/** As the kernel writes a limit that is none (getrlimit(2)): prometheus' clients say it so. */
const UNLIMITED = 2 ** 64;

const family = (name: string, type: 'counter' | 'gauge', help: string): FamilySpec => ({
  name,
  type,
  labels: [],
  help,
});

/** What every client of Prometheus tells of its process, and what matters of Node. */
export const PROCESS_FAMILIES = {
  cpu: family('process_cpu_seconds_total', 'counter', 'Seconds of CPU that the agent has used.'),
  startTime: family('process_start_time_seconds', 'gauge', 'When the agent started, in seconds since the epoch.'),
  residentMemory: family('process_resident_memory_bytes', 'gauge', 'Memory of the agent that is in RAM.'),
  virtualMemory: family('process_virtual_memory_bytes', 'gauge', 'Address space of the agent.'),
  openFiles: family('process_open_fds', 'gauge', 'File descriptors that the agent has open.'),
  maxFiles: family('process_max_fds', 'gauge', 'File descriptors that the agent may have open.'),
  heapUsed: family('nodejs_heap_size_used_bytes', 'gauge', "JavaScript heap of the agent's main thread, used."),
  heapTotal: family('nodejs_heap_size_total_bytes', 'gauge', "JavaScript heap of the agent's main thread."),
  externalMemory: family(
    'nodejs_external_memory_bytes',
    'gauge',
    'Memory of buffers and the like, outside of the heap.',
  ),
} as const;

/** Measures the agent's own process. */
export async function processFamilies(): Promise<MetricFamily[]> {
  const [stat, limits, descriptors, boot] = await Promise.all([
    readFile('/proc/self/stat', 'utf8'),
    readFile('/proc/self/limits', 'utf8'),
    readdir('/proc/self/fd'),
    bootTimeSeconds(),
  ]);
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  const values: Readonly<Record<keyof typeof PROCESS_FAMILIES, number>> = {
    cpu: (user + system) / 1e6,
    startTime: boot + Number(parseProcessStat(stat)?.startTime ?? 0) / TICKS_PER_SECOND,
    residentMemory: rss,
    // Field 23 of proc_pid_stat(5), the 21st after the name.
    virtualMemory: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[20]),
    openFiles: descriptors.length,
    maxFiles: Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? UNLIMITED),
    heapUsed,
    heapTotal,
    externalMemory: external,
  };
  return Object.entries(PROCESS_FAMILIES).map(([key, spec]) => ({
    spec,
    samples: [{ labelValues: [], value: values[key as keyof typeof PROCESS_FAMILIES] }],
  }));
}

/** When the machine started, in seconds since the epoch. */
export async function bootTimeSeconds(): Promise<number> {
  return Number(/^btime (\d+)$/m.exec(await readFile('/proc/stat', 'utf8'))?.[1] ?? 0);
}

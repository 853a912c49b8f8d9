import { readFile } from 'node:fs/promises';
import { parseProcessStat } from '../../base/process.ts';
import type { ProcessIdentity } from '../../base/process.ts';

/** USER_HZ: 100 on every architecture that Node runs on. */
const NANOSECONDS_PER_TICK = 1e9 / 100;

export interface ProcessUsage {
  readonly cpuUsageCoreNanoSeconds: number;
  readonly memoryWorkingSetBytes: number;
}

/**
 * What a host process uses. Memory is its proportional share (Pss): the pages of Node itself, which all hosts share,
 * are counted once over all of them, so that the sum over the pods is what the machine has given away.
 * @returns undefined when the process is gone
 */
export async function processUsage(identity: ProcessIdentity): Promise<ProcessUsage | undefined> {
  try {
    const [stat, rollup] = await Promise.all([
      readFile(`/proc/${identity.pid}/stat`, 'utf8'),
      readFile(`/proc/${identity.pid}/smaps_rollup`, 'utf8'),
    ]);
    const parsed = parseProcessStat(stat);
    if (parsed?.startTime !== identity.startTime) return undefined;
    return {
      cpuUsageCoreNanoSeconds: parsed.cpuTicks * NANOSECONDS_PER_TICK,
      memoryWorkingSetBytes: Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024,
    };
  } catch {
    // Between two reads any process may end; /proc then answers ENOENT or ESRCH.
    return undefined;
  }
}

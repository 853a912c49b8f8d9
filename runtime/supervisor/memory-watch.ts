import { readFileSync } from 'node:fs';
import { isAlive } from '../../base/process.ts';
import type { ProcessIdentity } from '../../base/process.ts';

const WATCH_INTERVAL_MS = 250;

/**
 * What a host has in memory of its own before it has a guest: V8's heap and the libraries' data (measured; the pages of
 * the program itself are shared and not counted). So a limit is the guest's, as in a control group, which a host enters
 * after that memory was counted elsewhere.
 */
const HOST_BYTES = 12 * 1024 * 1024;

/**
 * Ends a process that has more memory than its limit, where no control group does it: looks at it four times a second,
 * so one that grows fast is over the limit for that long.
 */
export class MemoryWatch implements Disposable {
  #exceeded = false;
  readonly #timer: NodeJS.Timeout;

  /** @param kill called once, when the limit is exceeded */
  constructor(identity: ProcessIdentity, limitBytes: number, kill: () => void) {
    this.#timer = setInterval(() => {
      const used = isAlive(identity) ? residentBytes(identity.pid) : 0;
      if (used <= limitBytes + HOST_BYTES) return;
      this.#exceeded = true;
      clearInterval(this.#timer);
      kill();
    }, WATCH_INTERVAL_MS).unref();
  }

  /** Whether the process was ended for its memory. */
  get exceeded(): boolean {
    return this.#exceeded;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** Memory that no file stands behind: linear memories, tables and buffers (proc_pid_status(5)). */
function residentBytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kilobytes = [...status.matchAll(/^Rss(?:Anon|Shmem):\s+(\d+) kB$/gm)].map(([, number]) => Number(number));
    return kilobytes.reduce((sum, number) => sum + number, 0) * 1024;
  } catch {
    // It has ended.
    return 0;
  }
}

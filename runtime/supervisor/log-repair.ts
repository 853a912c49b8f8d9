import { closeSync, fstatSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { errnoOf } from '../../base/errors.ts';
import { formatEntry, HEADER_BYTES, MAX_LINE_BYTES } from '../host/log-format.ts';
import { isDiskFull, partialPath, readPartial } from '../host/partial.ts';

const LINE_FEED = 0x0a;
const HEADER = /^\d{4}-\d\d-\d\dT[\d:.]+Z std(out|err) [FP] /;

/**
 * Finishes the log of a host that was ended by a signal: a write that the kernel broke off in the middle is made a
 * line, and what the guest had begun to write of a line is added.
 * @param directory where the host has kept what is not finished
 */
export function repairLog(logPath: string, directory: string): void {
  let fd: number;
  try {
    fd = openSync(logPath, 'r+');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  try {
    let end = finishLastEntry(fd);
    const [stdout, stderr] = readPartial(directory) ?? [];
    const time = Date.now();
    for (const [stream, bytes] of [['stdout', stdout] as const, ['stderr', stderr] as const]) {
      if (bytes === undefined || bytes.length === 0) continue;
      end += writeSync(fd, formatEntry(stream, 'P', bytes, time), undefined, undefined, end);
    }
    rmSync(partialPath(directory), { force: true });
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  } finally {
    closeSync(fd);
  }
}

/** @returns the size of the file, which ends with a whole entry now */
function finishLastEntry(fd: number): number {
  const { size } = fstatSync(fd);
  const tail = Buffer.alloc(Math.min(size, HEADER_BYTES + MAX_LINE_BYTES + 1));
  readSync(fd, tail, 0, tail.length, size - tail.length);
  const rest = tail.subarray(tail.lastIndexOf(LINE_FEED) + 1);
  if (rest.length === 0) return size;
  if (HEADER.test(rest.toString('latin1', 0, HEADER_BYTES))) return size + writeSync(fd, '\n', size);
  ftruncateSync(fd, size - rest.length);
  return size - rest.length;
}

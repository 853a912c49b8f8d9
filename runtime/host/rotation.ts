import { readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Names and number of rotated logs, as the kubelet's container log manager has them
 * (pkg/kubelet/logs/container_log_manager.go): `0.log.20060102-150405`, later compressed to `….gz`; their names sort in
 * the order of their age.
 */

export const COMPRESSED_SUFFIX = '.gz';
export const TEMPORARY_SUFFIX = '.tmp';

/** `20060102-150405` in local time, as the kubelet writes it. */
export function rotationTimestamp(time: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${time.getFullYear()}${two(time.getMonth() + 1)}${two(time.getDate())}`;
  return `${date}-${two(time.getHours())}${two(time.getMinutes())}${two(time.getSeconds())}`;
}

const withoutSuffixes = (name: string): string => name.replace(/(\.gz)?(\.tmp)?$/, '');

/**
 * The rotated logs of a log file, oldest first, without the suffixes of compression: a log that is compressed or being
 * compressed is named once.
 * @param path the current log file
 */
export function rotatedLogs(path: string): string[] {
  const prefix = `${basename(path)}.`;
  const names = readdirSync(dirname(path)).filter((name) => name.startsWith(prefix));
  return [...new Set(names.map(withoutSuffixes))].sort().map((name) => join(dirname(path), name));
}

/**
 * The name for a log that is rotated now: the kubelet's, and where a log of this second exists, more digits after it.
 * Digits sort after the bare name and after its `.gz`, so that the order of the names stays the order of age.
 * @param rotated the rotated logs, as rotatedLogs gives them
 */
export function rotatedName(path: string, rotated: readonly string[], time: Date): string {
  const name = `${path}.${rotationTimestamp(time)}`;
  const last = rotated.at(-1);
  if (last === undefined || last < name) return name;
  // The last one was rotated in this second, or (the clock was set back) later.
  const lastTimestamp = last.slice(path.length + 1);
  const second = lastTimestamp.slice(0, name.length - path.length - 1);
  const digits = lastTimestamp.slice(second.length);
  return `${path}.${second}${nextDigits(digits)}`;
}

/** '' -> '001' -> … -> '998' -> '999001': always sorts after what it was given. */
function nextDigits(digits: string): string {
  const count = Number(digits.slice(-3)) + 1;
  if (digits === '' || !Number.isInteger(count)) return `${digits}001`;
  return count === 999 ? `${digits.slice(0, -3)}999001` : digits.slice(0, -3) + String(count).padStart(3, '0');
}

/**
 * Moves a log file aside and removes the oldest rotated ones.
 * @param path the current log file; afterwards there is none of this name
 * @param maxFiles how many are kept, the new current one included
 */
export function rotate(path: string, maxFiles: number, time: Date): void {
  const rotated = rotatedLogs(path);
  const name = rotatedName(path, rotated, time);
  renameSync(path, name);
  const all = [...rotated, name];
  for (const excess of all.slice(0, Math.max(0, all.length - Math.max(maxFiles - 1, 0)))) {
    for (const suffix of ['', COMPRESSED_SUFFIX, COMPRESSED_SUFFIX + TEMPORARY_SUFFIX, TEMPORARY_SUFFIX]) {
      rmSync(excess + suffix, { force: true });
    }
  }
}

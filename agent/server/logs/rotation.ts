import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ignoreMissing } from '../../../base/errors.ts';
import { openLog, type OpenLog } from './open-log.ts';

const COMPRESSED = '.gz';
/** A compressor's unfinished work (pkg/kubelet/logs/container_log_manager.go). */
const TEMPORARY = '.tmp';
/** A log that is rotated again while its successor is looked for is looked at again, so often. */
const MAX_TRIES = 20;

/**
 * Opens the log that follows one that is held open, when that one was rotated: `0.log` becomes
 * `0.log.20060102-150405[digits]`, later with .gz, and a new `0.log` is made. Names sort in the order of age.
 * @param path the name under which the log is written
 * @returns undefined while the log that is held is the one being written, or nothing follows it yet
 */
export async function openSuccessor(path: string, held: OpenLog): Promise<OpenLog | undefined> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const name = await successorOf(path, held);
    if (name === undefined) return undefined;
    const log = await openLog(name).catch(ignoreMissing);
    if (!log) continue;
    // Between the look at the folder and the opening the log may have been rotated: then another follows.
    const again = await successorOf(path, held).catch(() => undefined);
    if (again !== undefined && (await isSame(again, log))) return log;
    await log[Symbol.asyncDispose]();
  }
  return undefined;
}

async function successorOf(path: string, held: OpenLog): Promise<string | undefined> {
  if (await isSame(path, held)) return undefined;
  const rotated = await rotatedLogs(path);
  const index = await indexOf(rotated, held);
  const next = index === -1 ? await firstAfter(rotated, held) : rotated[index + 1];
  if (next !== undefined) return next;
  return (await stat(path).catch(ignoreMissing)) === undefined ? undefined : path;
}

/** Paths of the rotated logs, oldest first; one that is there both plain and compressed is taken plain. */
async function rotatedLogs(path: string): Promise<string[]> {
  const folder = dirname(path);
  const prefix = `${basename(path)}.`;
  const names = (await readdir(folder)).filter((name) => name.startsWith(prefix) && !name.endsWith(TEMPORARY));
  const byPlainName = new Map<string, string>();
  for (const name of names) {
    const plain = name.endsWith(COMPRESSED) ? name.slice(0, -COMPRESSED.length) : name;
    if (plain === name || !byPlainName.has(plain)) byPlainName.set(plain, name);
  }
  return [...byPlainName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, name]) => join(folder, name));
}

/** Which of the logs is the one held. An inode cannot be used again while the file is held open. */
async function indexOf(logs: readonly string[], held: OpenLog): Promise<number> {
  for (let index = logs.length - 1; index >= 0; index--) {
    if (await isSame(logs[index] ?? '', held)) return index;
  }
  return -1;
}

/** Where the held log is itself compressed or removed by now: the first that begins later than it does. */
async function firstAfter(logs: readonly string[], held: OpenLog): Promise<string | undefined> {
  const ours = await held.head();
  for (const name of logs) {
    const log = await openLog(name).catch(ignoreMissing);
    if (!log) continue;
    await using opened = log;
    if (Buffer.compare(await opened.head(), ours) > 0) return name;
  }
  return undefined;
}

async function isSame(path: string, log: OpenLog): Promise<boolean> {
  const found = await stat(path).catch(ignoreMissing);
  return found?.ino === log.ino && found.dev === log.dev;
}

import { mkdir, open, readlink, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';
import { listFolder } from '../volumes/paths.ts';
import type { PodIdentity } from './spec.ts';

/** A file name on ext4 has 255 bytes at the most (kuberuntime/legacy.go). */
const MAX_FILE_NAME = 255;

/** '<podLogsDir>/<ns>_<name>_<uid>' */
export const podLogDir = (podLogsDir: string, pod: PodIdentity): string =>
  join(podLogsDir, `${pod.namespace}_${pod.name}_${pod.uid}`);

/** Relative to the pod's folder: '<container>/<attempt>.log' */
export const containerLogPath = (container: string, attempt: number): string => join(container, `${attempt}.log`);

/** '<containerLogsDir>/<pod>_<ns>_<container>-<id>.log': what log shippers from before CRI follow. */
export function legacyLogLink(containerLogsDir: string, pod: PodIdentity, container: string, id: string): string {
  const name = `${pod.name}_${pod.namespace}_${container}-${id}`.slice(0, MAX_FILE_NAME - '.log'.length);
  return join(containerLogsDir, `${name}.log`);
}

export async function makeLegacyLink(link: string, target: string): Promise<void> {
  await mkdir(dirname(link), { recursive: true });
  try {
    await symlink(target, link);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** Removes a container's legacy link and its log with all rotated parts. */
export async function removeContainerLog(link: string, logPath: string): Promise<void> {
  await rm(link, { force: true });
  if (logPath === '') return;
  const folder = dirname(logPath);
  const name = basename(logPath);
  for (const entry of await listFolder(folder)) {
    if (entry === name || entry.startsWith(`${name}.`)) await rm(join(folder, entry), { force: true });
  }
}

/** Removes the pod's logs and the legacy links that point into them. */
export async function removePodLogs(containerLogsDir: string, podDir: string): Promise<void> {
  // '<ns>_<name>_<uid>': none of the three holds an underscore.
  const [namespace = '', name = ''] = basename(podDir).split('_');
  for (const entry of await listFolder(containerLogsDir)) {
    if (!entry.startsWith(`${name}_${namespace}_`)) continue;
    const link = join(containerLogsDir, entry);
    const target = await readlink(link).catch(() => '');
    if (target.startsWith(`${podDir}/`)) await rm(link, { force: true });
  }
  await rm(podDir, { recursive: true, force: true });
}

/** One more than the newest log's number: containers that the runtime has forgotten count as tries all the same. */
export async function attemptFromLogs(containerDir: string): Promise<number> {
  const attempts = (await listFolder(containerDir)).map((name) => /^(\d+)\.log(\..*)?$/.exec(name)?.[1]);
  return Math.max(0, ...attempts.map((attempt) => (attempt === undefined ? 0 : Number(attempt) + 1)));
}

/** The end of a log in CRI format, its lines' text alone, stdout and stderr in their order. */
export async function readLogTail(path: string, limits: { bytes: number; lines: number }): Promise<string> {
  if (path === '') return '';
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  // Each line of text carries a time, a stream and a tag before it; with short lines that is the greater part.
  const window = Math.min(size, limits.bytes + limits.lines * 64);
  const buffer = Buffer.alloc(window);
  const { bytesRead } = await file.read(buffer, 0, window, size - window);
  const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
  if (window < size) lines.shift();
  const text = lines
    .filter((line) => line !== '')
    .slice(-limits.lines)
    .map(textOfLogLine)
    .join('');
  return Buffer.from(text).subarray(-limits.bytes).toString('utf8');
}

/** '<time> <stream> <tag> <text>'; tag P: the line goes on in the next entry. */
function textOfLogLine(line: string): string {
  const match = /^\S+ \S+ (\S+) ?(.*)$/s.exec(line);
  if (!match) return '';
  return match[1] === 'P' ? (match[2] ?? '') : `${match[2] ?? ''}\n`;
}

import { createReadStream, createWriteStream } from 'node:fs';
import { access, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { errnoOf } from '../../base/errors.ts';
import { COMPRESSED_SUFFIX, rotatedLogs, TEMPORARY_SUFFIX } from '../host/rotation.ts';

/**
 * Compresses the rotated logs of a container but the newest, which a reader may still follow, and clears up after a
 * compression that was broken off (pkg/kubelet/logs/container_log_manager.go: cleanupUnusedLogs, compressLog).
 * @param path the current log file
 */
export async function compressRotatedLogs(path: string, signal: AbortSignal): Promise<void> {
  let rotated: string[];
  try {
    rotated = rotatedLogs(path);
  } catch (error) {
    // The log's folder is the agent's, which may have removed it.
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  await removeTemporary(path);
  for (const log of rotated.slice(0, -1)) {
    if (signal.aborted) return;
    await compress(log, signal);
  }
}

async function removeTemporary(path: string): Promise<void> {
  const prefix = `${basename(path)}.`;
  for (const name of await readdir(dirname(path))) {
    if (name.startsWith(prefix) && name.endsWith(TEMPORARY_SUFFIX))
      await rm(join(dirname(path), name), { force: true });
  }
}

async function compress(log: string, signal: AbortSignal): Promise<void> {
  const compressed = log + COMPRESSED_SUFFIX;
  const temporary = log + TEMPORARY_SUFFIX;
  try {
    if (await exists(compressed)) {
      await rm(log, { force: true });
      return;
    }
    const { mode } = await stat(log);
    await pipeline(createReadStream(log), createGzip(), createWriteStream(temporary, { mode }), { signal });
    // The host may have removed the log as one too many meanwhile: then its compressed form must not appear.
    await access(log);
    await rename(temporary, compressed);
    await rm(log, { force: true });
  } catch (error) {
    await rm(temporary, { force: true });
    if (errnoOf(error) !== 'ENOENT' && !signal.aborted) throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

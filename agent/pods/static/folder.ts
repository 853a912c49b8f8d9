import { once } from 'node:events';
import { watch } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, ignoreMissing, messageOf, WasmletError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { sleep } from '../../kube/backoff.ts';
import type { Pod } from '../../kube/types.ts';
import { parseManifest } from './manifest.ts';

export interface ManifestFolderOptions {
  /** A folder, or a single file. */
  readonly path: string;
  readonly nodeName: string;
  /** How often all is read again although nothing was heard of a change, in milliseconds. */
  readonly checkMs: number;
  /** All pods of the manifests, anew whenever the folder has been read. */
  readonly onPods: (pods: readonly Pod[]) => void;
  readonly logger: Logger;
}

/** pkg/kubelet/config: maxConfigLength. */
const MAX_BYTES = 10 * 1024 * 1024;
/** Files are often written in several strokes. */
const GATHER_MS = 50;
/** How long until a folder that could not be watched, or is no more, is watched again. */
const WATCH_RETRY_MS = 1000;

interface Known {
  /** What stands in the file; undefined: it could not be read. */
  readonly text: string | undefined;
  readonly pod: Pod | undefined;
  /** The text is no pod; `pod` is what the file was before. */
  readonly isBroken: boolean;
}

/**
 * Follows the manifests of static pods in a folder until the signal ends it (pkg/kubelet/config/file.go): files whose
 * names begin with a dot and folders are passed over; of two pods of one name the last by the files' names counts. A
 * file that has become unreadable keeps its pod until the next regular look: it may be half written.
 */
export async function followManifests(options: ManifestFolderOptions, signal: AbortSignal): Promise<void> {
  const reader = new FolderReader(options);
  const heard = new Bell();
  const watching = watchPath(options, () => heard.ring(), signal);
  let nextCheck = 0;
  while (!signal.aborted) {
    const isCheck = performance.now() >= nextCheck;
    if (isCheck) nextCheck = performance.now() + options.checkMs;
    await reader.read(!isCheck);
    await heard.wait(Math.max(1, nextCheck - performance.now()), signal);
    await sleep(GATHER_MS, signal);
  }
  await watching;
}

/** Wakes one who waits. */
class Bell {
  #rung = Promise.withResolvers<undefined>();

  ring(): void {
    this.#rung.resolve(undefined);
  }

  /** Until it was rung since the last wait, or so many milliseconds have passed, or the signal ends it. */
  async wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    const waited = new AbortController();
    await Promise.race([this.#rung.promise, sleep(milliseconds, AbortSignal.any([signal, waited.signal]))]);
    waited.abort();
    this.#rung = Promise.withResolvers<undefined>();
  }
}

/** Rings for each change, and whenever the watch has begun: what happened before is not heard of. */
async function watchPath(
  { path, logger }: ManifestFolderOptions,
  ring: () => void,
  signal: AbortSignal,
): Promise<void> {
  do {
    try {
      const watcher = watch(path, { signal }, (_change, file) => {
        if (file?.startsWith('.') !== true) ring();
      });
      ring();
      await once(watcher, 'close');
    } catch (error) {
      if (!signal.aborted && errnoOf(error) !== 'ENOENT') {
        logger.error('manifests cannot be watched, will try again', { path, error: messageOf(error) });
      }
    }
  } while (await sleep(WATCH_RETRY_MS, signal));
}

class FolderReader {
  readonly #options: ManifestFolderOptions;
  #known = new Map<string, Known>();

  constructor(options: ManifestFolderOptions) {
    this.#options = options;
  }

  /** @param keepBroken whether a file that is no pod any more keeps the one that it was */
  async read(keepBroken: boolean): Promise<void> {
    const { path, logger, onPods } = this.#options;
    try {
      const known = new Map<string, Known>();
      for (const file of await listFiles(path)) known.set(file, await this.#readFile(file, keepBroken));
      this.#known = known;
    } catch (error) {
      logger.error('manifests cannot be read', { path, error: messageOf(error) });
      return;
    }
    const byName = new Map<string, Pod>();
    for (const { pod } of this.#known.values()) {
      if (pod) byName.set(`${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`, pod);
    }
    onPods([...byName.values()]);
  }

  async #readFile(file: string, keepBroken: boolean): Promise<Known> {
    const { nodeName, logger } = this.#options;
    const before = this.#known.get(file);
    let text: string | undefined;
    try {
      text = await readBounded(file);
      if (text === before?.text && !before.isBroken) return before;
      return { text, pod: parseManifest(text, { file, nodeName }), isBroken: false };
    } catch (error) {
      const isNews = !before?.isBroken || before.text !== text;
      if (isNews) logger.error('a manifest could not be processed', { file, error: messageOf(error) });
      return { text, pod: keepBroken ? before?.pod : undefined, isBroken: true };
    }
  }
}

/** The files of a folder in the order of their names; a file by itself; nothing where there is neither. */
async function listFiles(path: string): Promise<string[]> {
  const kind = await kindOf(path);
  if (kind === 'file') return [path];
  if (kind === 'none') return [];
  const names = (await readdir(path)).filter((name) => !name.startsWith('.')).toSorted();
  const kinds = await Promise.all(names.map((name) => kindOf(join(path, name))));
  return names.filter((_, index) => kinds[index] === 'file').map((name) => join(path, name));
}

/** What a path leads to, links followed. Only what can be read to its end is a file. */
async function kindOf(path: string): Promise<'file' | 'folder' | 'none'> {
  const found = await stat(path).catch(ignoreMissing);
  return found?.isFile() ? 'file' : found?.isDirectory() ? 'folder' : 'none';
}

async function readBounded(file: string): Promise<string> {
  const { size } = await stat(file);
  if (size > MAX_BYTES)
    throw new WasmletError('InvalidArgument', `the manifest has ${size} bytes, more than ${MAX_BYTES}`);
  return await readFile(file, 'utf8');
}

import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';

/** The kubelet looks again after a second, whatever the watch says (logForceCheckPeriod). */
const CHECK_MS = 1000;
/** Where there is no watch to be had (fs.inotify.max_user_watches), looking often is all that is left. */
const CHECK_UNWATCHED_MS = 200;

/** Tells when a log was written or rotated. */
export class FolderWatch implements Disposable {
  readonly #name: string;
  #watcher: FSWatcher | undefined;
  #changed = true;
  #renamed = true;
  #wake: (() => void) | undefined;

  /** @param path of the log; its folder is watched, for the log itself is renamed */
  constructor(path: string) {
    this.#name = basename(path);
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, (event, name) => this.#onEvent(event, name));
      this.#watcher.once('error', () => this.#close());
    } catch {
      this.#watcher = undefined;
    }
  }

  #onEvent(event: string, name: string | null): void {
    // The folder holds the logs of the container's other attempts too.
    if (name !== null && !name.startsWith(this.#name)) return;
    this.#changed = true;
    if (event === 'rename') this.#renamed = true;
    this.#wake?.();
  }

  /** Whether a file came or went since the last call, or may have. */
  takeRenamed(): boolean {
    const renamed = this.#renamed;
    this.#renamed = false;
    return renamed;
  }

  /** Waits until something changed since the last wait, a signal aborts, or it is time to look anyway. */
  async wait(...signals: AbortSignal[]): Promise<'changed' | 'timeout'> {
    if (!this.#changed && !signals.some(({ aborted }) => aborted)) await this.#sleep(signals);
    const changed = this.#changed;
    this.#changed = false;
    if (changed) return 'changed';
    this.#renamed = true;
    return 'timeout';
  }

  async #sleep(signals: readonly AbortSignal[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const wake = () => resolve(undefined);
    const timer = setTimeout(wake, this.#watcher ? CHECK_MS : CHECK_UNWATCHED_MS);
    this.#wake = wake;
    for (const signal of signals) signal.addEventListener('abort', wake);
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
    for (const signal of signals) signal.removeEventListener('abort', wake);
  }

  #close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  [Symbol.dispose](): void {
    this.#close();
  }
}

import { diskUsage } from '../../base/disk-usage.ts';
import type { DiskUsage } from '../../base/disk-usage.ts';

/** As containerd, which looks as often: walking a file tree costs. */
const MAX_AGE_MS = 10_000;

/**
 * What a container's guest has written beyond its image. Its root folder is a copy of the image's tree, so it is what
 * the folder takes now more than it took at first.
 */
export class WritableLayer {
  readonly #root: string;
  readonly #tree: string | undefined;
  #base: Promise<DiskUsage> | undefined;
  #measured: { readonly at: number; readonly usage: Promise<DiskUsage> } | undefined;

  /** @param tree of the image; undefined: it has none, and the root folder was empty */
  constructor(root: string, tree: string | undefined) {
    this.#root = root;
    this.#tree = tree;
  }

  /** Not older than ten seconds. */
  usage(): Promise<DiskUsage> {
    const now = performance.now();
    if (!this.#measured || now - this.#measured.at > MAX_AGE_MS) this.#measured = { at: now, usage: this.#measure() };
    return this.#measured.usage;
  }

  async #measure(): Promise<DiskUsage> {
    // The image's tree never changes.
    this.#base ??= this.#tree === undefined ? Promise.resolve(NOTHING) : diskUsage(this.#tree);
    const [base, now] = await Promise.all([this.#base, diskUsage(this.#root)]);
    return {
      usedBytes: Math.max(0, now.usedBytes - base.usedBytes),
      inodesUsed: Math.max(0, now.inodesUsed - base.inodesUsed),
    };
  }
}

const NOTHING: DiskUsage = { usedBytes: 0, inodesUsed: 0 };

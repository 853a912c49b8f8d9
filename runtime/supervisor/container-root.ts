import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { leaveTree, useTree } from '../../base/tree-use.ts';
import type { DiskUsage } from '../../base/disk-usage.ts';
import type { MountedRoot } from '../sandbox/confinement/reach.ts';
import { isLayerPath } from '../sandbox/linux/overlay.ts';
import type { Layers } from '../sandbox/linux/overlay.ts';
import type { RootFilesystem } from '../service.ts';
import { rootPath, upperPath, workPath } from './records.ts';
import { makeRootFolder } from './root-folder.ts';
import { WritableLayer } from './writable-layer.ts';

/**
 * The files of one container, its guest's '/'. Where they can be mounted, they are an overlay: the image's tree, which
 * all of its containers have in common, below a folder of the container's own. The mount is made for the container's
 * host when that starts, is handed on to the hosts of its commands, and goes with the last of them: it is never among
 * the machine's own mounts, so that nothing has to be taken down, and nothing can be left. Else they are a copy.
 */
export class ContainerRoot {
  readonly #directory: string;
  readonly #tree: string | undefined;
  #writableLayer: WritableLayer | undefined;

  /**
   * @param directory the container's folder, by the name of its id
   * @param tree of the image; undefined: it has none
   */
  constructor(directory: string, tree: string | undefined) {
    this.#directory = directory;
    this.#tree = tree;
  }

  /** What is there says it: nothing else has to be kept alike. */
  get kind(): RootFilesystem {
    if (this.#tree === undefined) return 'empty';
    return existsSync(upperPath(this.#directory)) ? 'overlay' : 'copy';
  }

  /**
   * Makes the folders.
   * @param mayMount whether hosts can be given mounts
   * @throws system errors: an image that is gone, a disk that is full
   */
  async make(mayMount: boolean): Promise<void> {
    if (this.#tree === undefined || !mayMount || !this.#arePathsShort(this.#tree)) {
      await makeRootFolder(rootPath(this.#directory), this.#tree);
      return;
    }
    await useTree(this.#tree, basename(this.#directory), this.#directory);
    await this.#makeLayers(this.#tree);
  }

  #arePathsShort(tree: string): boolean {
    return [tree, upperPath(this.#directory), workPath(this.#directory)].every(isLayerPath);
  }

  async #makeLayers(tree: string): Promise<void> {
    await mkdir(workPath(this.#directory), { mode: 0o700 });
    const { mode, uid, gid } = await stat(tree);
    const upper = upperPath(this.#directory);
    await mkdir(upper);
    await chown(upper, uid, gid);
    await chmod(upper, mode & 0o7777);
  }

  /**
   * Makes it what it was before a start that never came about: what was mounted once as `volatile` is not mounted again.
   * No guest has ever run on it.
   */
  async renew(): Promise<void> {
    if (this.#tree === undefined || this.kind !== 'overlay') return;
    if (!existsSync(join(workPath(this.#directory), 'work'))) return;
    await rm(workPath(this.#directory), { recursive: true });
    // Last, as it says what kind of root this is.
    await rm(upperPath(this.#directory), { recursive: true });
    await this.#makeLayers(this.#tree);
  }

  /** For the request to the host that starts the container. */
  get forStart(): MountedRoot {
    const layers = this.#layers();
    return layers ? { rootMount: layers } : {};
  }

  /** For the request to a host of a command, with the process that runs the container. */
  forCommand(pid: number): MountedRoot {
    const layers = this.#layers();
    return layers ? { rootMount: { pid, upper: layers.upper } } : {};
  }

  #layers(): Layers | undefined {
    if (this.#tree === undefined || this.kind !== 'overlay') return undefined;
    return { lower: this.#tree, upper: upperPath(this.#directory), work: workPath(this.#directory) };
  }

  /** What the guest has written beyond its image; not older than ten seconds. */
  usage(): Promise<DiskUsage> {
    this.#writableLayer ??=
      this.kind === 'overlay'
        ? new WritableLayer(upperPath(this.#directory), undefined)
        : new WritableLayer(rootPath(this.#directory), this.#tree);
    return this.#writableLayer.usage();
  }

  /** Lets the image go, once the container's folder is removed. */
  async leaveImage(): Promise<void> {
    if (this.#tree !== undefined) await leaveTree(this.#tree, basename(this.#directory));
  }
}

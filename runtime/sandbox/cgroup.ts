import { access, mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { basename, join, posix } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, messageOf, WasmletError } from '../../base/errors.ts';
import type { CgroupLayout, CgroupLimits, CgroupSetting } from './cgroup-layout.ts';

/** The kernel lets a group be removed a moment after its last process, or the last group beneath it, is gone. */
const REMOVE_ATTEMPTS = 50;
const REMOVE_RETRY_MS = 10;

/** A parent may be removed, being empty, between its making and that of its child. */
const MAKE_ATTEMPTS = 5;

/**
 * Groups that this runtime makes and so removes when they are empty: the default root, and the folders of the
 * kubelet's layout. A root of another name is the administrator's.
 */
const OURS = /^(wasmlet|kubepods|burstable|besteffort|pod[\w.-]+)$/;

/** Control groups of the sandboxes and containers of one node. Whatever stands outside the paths given is left alone. */
export class Cgroups {
  readonly #layout: CgroupLayout;
  #failure: string | undefined;

  constructor(layout: CgroupLayout) {
    this.#layout = layout;
  }

  /** Why the last group could not be made or entered; undefined: it could. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /**
   * Makes a group, and those above it, and sets its limits. May be called again.
   * @param path for example /wasmlet/kubepods/burstable/pod<uid>
   * @throws WasmletError FailedPrecondition when this process may not, or a controller is not there
   */
  async make(path: string, limits: CgroupLimits): Promise<void> {
    try {
      await this.#makeFolders(path);
      for (const setting of this.#layout.settings(path, limits)) await write(setting);
      this.#failure = undefined;
    } catch (error) {
      throw this.#fail(`control group ${path} cannot be made`, error);
    }
  }

  async #makeFolders(path: string): Promise<void> {
    const steps = path.split('/').filter((part) => part !== '');
    const groups = steps.map((_, index) => `/${steps.slice(0, index + 1).join('/')}`);
    // The root that is configured, and no group above it, may be told to hand on its controllers.
    const first = steps.indexOf('kubepods') - 1;
    const last = steps.length - 1;
    for (let attempt = 1; ; attempt++) {
      try {
        for (const [index, group] of groups.entries()) await this.#makeGroup(group, index >= first && index < last);
        return;
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT' || attempt === MAKE_ATTEMPTS) throw error;
      }
    }
  }

  async #makeGroup(path: string, handsOn: boolean): Promise<void> {
    for (const folder of this.#layout.folders(path)) await makeFolder(folder);
    if (basename(path) === 'besteffort') await this.#setLeastShares(path);
    if (handsOn) for (const setting of this.#layout.forChildren(path)) await write(setting);
  }

  /** cm/qos_container_manager_linux.go: what asked for nothing comes last. */
  async #setLeastShares(path: string): Promise<void> {
    const none = { cpuPeriod: 0, cpuQuota: 0, memoryLimitInBytes: 0, pidsLimit: 0 };
    for (const setting of this.#layout.settings(path, { ...none, cpuShares: 2 })) await write(setting);
  }

  /**
   * Puts a process with all its threads into a group. What it has in memory stays where it was counted.
   * @throws WasmletError FailedPrecondition
   */
  async add(path: string, pid: number): Promise<void> {
    try {
      for (const folder of this.#layout.folders(path))
        await write({ file: join(folder, 'cgroup.procs'), value: String(pid) });
    } catch (error) {
      throw this.#fail(`process ${pid} cannot enter control group ${path}`, error);
    }
  }

  #fail(what: string, cause: unknown): WasmletError {
    this.#failure = `${what}: ${messageOf(cause)}`;
    return new WasmletError('FailedPrecondition', this.#failure, { cause });
  }

  async exists(path: string): Promise<boolean> {
    return await access(this.#layout.oomFile(path)).then(
      () => true,
      () => false,
    );
  }

  /** How many processes of the group the kernel has killed for want of memory; 0 where there is no such group. */
  async oomKills(path: string): Promise<number> {
    const text = await readFile(this.#layout.oomFile(path), 'utf8').catch(() => '');
    return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
  }

  /**
   * Removes a group whose processes are gone. Idempotent.
   * @returns false when something is still in it
   */
  async remove(path: string): Promise<boolean> {
    return await this.#removeGroup(path);
  }

  /** Removes a pod's group and those of ours above it, as far as they are empty. Idempotent. */
  async removeEmpty(path: string): Promise<void> {
    for (let group = path; OURS.test(basename(group)); group = posix.dirname(group)) {
      if (!(await this.#removeGroup(group))) return;
    }
  }

  /** Names of the groups right beneath a group. */
  async below(path: string): Promise<string[]> {
    const folders = this.#layout
      .folders(path)
      .map((folder) => readdir(folder, { withFileTypes: true }).catch(() => []));
    const groups = (await Promise.all(folders)).flat().filter((entry) => entry.isDirectory());
    return [...new Set(groups.map(({ name }) => name))];
  }

  async #removeGroup(path: string): Promise<boolean> {
    const removed = await Promise.all(this.#layout.folders(path).map((folder) => removeFolder(folder)));
    return removed.every((done) => done);
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o755 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** Files of control groups are there or are not; none is ever created. */
async function write({ file, value }: CgroupSetting): Promise<void> {
  await writeFile(file, value, { flag: 'r+' });
}

async function removeFolder(path: string): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      await rmdir(path);
      return true;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT') return true;
      if (errno !== 'EBUSY' || attempt === REMOVE_ATTEMPTS || (await hasFolders(path))) return false;
      await delay(REMOVE_RETRY_MS);
    }
  }
}

async function hasFolders(path: string): Promise<boolean> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  return entries.some((entry) => entry.isDirectory());
}

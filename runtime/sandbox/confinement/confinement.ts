import type { Command } from '../linux/launcher.ts';
import type { Reach } from './reach.ts';

/** A host process that is about to be started. */
export interface HostLaunch extends Disposable {
  readonly command: Command;
  /** What it inherits after the descriptors of its protocol; not needed any more once it is started. */
  readonly descriptors: readonly number[];
}

/** How hosts are held: as far as this machine lets them be. */
export interface Confinement {
  /** What this machine does not allow of it, in words for people; empty: nothing is missing. */
  readonly missing: readonly string[];
  /** Why no host is launched at all; undefined: hosts are. */
  readonly refusal?: string;
  /** Whether a host can only be launched for a container that is known: none can be started ahead. */
  readonly needsReach: boolean;
  /** Whether hosts have mounts of their own, so that a container's root can be mounted for its host alone. */
  readonly hasOwnMounts: boolean;
  /**
   * @param firstDescriptor number of the first of `descriptors` in the process
   * @param reach what its container may reach, where needsReach; a host that is to have more than one container has none,
   *   and is then not held to paths
   */
  launch(flags: readonly string[], firstDescriptor: number, reach?: Reach): HostLaunch;
}

export interface ConfinementOptions {
  /** Path of the host's bundle. */
  readonly code: string;
  /** A folder for what hosts see as their '/'; made when it is needed. */
  readonly rootPath: string;
}

/** Hosts that are held by nothing but what the guest is given: the WASI layer. */
export class Unconfined implements Confinement {
  readonly missing: readonly string[];
  readonly needsReach = false;
  readonly hasOwnMounts = false;
  readonly #code: string;

  constructor(code: string, missing: readonly string[] = []) {
    this.#code = code;
    this.missing = missing;
  }

  launch(flags: readonly string[]): HostLaunch {
    return {
      command: [process.execPath, [...flags, this.#code]],
      descriptors: [],
      [Symbol.dispose]: () => undefined,
    };
  }
}

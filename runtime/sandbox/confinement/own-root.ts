import { findLauncher, launch } from '../linux/launcher.ts';
import type { Step } from '../linux/launcher.ts';
import { LEAST_ABI } from '../linux/landlock.ts';
import type { Ruleset } from '../linux/landlock.ts';
import type { Architecture } from '../linux/numbers.ts';
import type { Confinement, ConfinementOptions, HostLaunch } from './confinement.ts';
import { HostRoot, INSIDE } from './host-root.ts';
import { fewCapabilities, filtered, noNewPrivileges, ownRoot, resourceLimits, restrictedBy } from './launch-steps.ts';

/** Every host has a root folder and a mount namespace of its own. Needs root. */
export class OwnRoot implements Confinement {
  readonly missing: readonly string[];
  readonly needsReach = false;
  readonly hasOwnMounts = true;
  readonly #root: HostRoot;
  readonly #code: string;
  readonly #ruleset: Ruleset | undefined;
  readonly #architecture: Architecture;
  readonly #launcher = findLauncher();

  constructor(options: ConfinementOptions, architecture: Architecture, abi: number, missing: readonly string[]) {
    this.missing = missing;
    this.#architecture = architecture;
    this.#code = options.code;
    this.#root = new HostRoot(options.rootPath);
    // One for all hosts: what differs is what is mounted for each. It is there for as long as this process.
    this.#ruleset = abi < LEAST_ABI ? undefined : this.#root.rules(abi);
  }

  #steps(firstDescriptor: number): Step[] {
    return [
      ...ownRoot(this.#root.path, this.#code),
      ...resourceLimits(),
      ...fewCapabilities(),
      ...noNewPrivileges(),
      ...(this.#ruleset ? restrictedBy(firstDescriptor) : []),
      ...filtered(this.#architecture),
    ];
  }

  launch(flags: readonly string[], firstDescriptor: number): HostLaunch {
    return {
      command: launch(this.#launcher, this.#steps(firstDescriptor), firstDescriptor - 1, [
        INSIDE.node,
        [...flags, INSIDE.code],
      ]),
      descriptors: this.#ruleset ? [this.#ruleset.fd] : [],
      [Symbol.dispose]: () => undefined,
    };
  }
}

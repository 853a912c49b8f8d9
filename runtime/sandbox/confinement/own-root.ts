import { basename, dirname, join } from 'node:path';
import { findLauncher, launch } from '../linux/launcher.ts';
import type { Step } from '../linux/launcher.ts';
import { LEAST_ABI } from '../linux/landlock.ts';
import type { Ruleset } from '../linux/landlock.ts';
import type { Architecture } from '../linux/numbers.ts';
import type { Confinement, ConfinementOptions, HostLaunch, LaunchOptions } from './confinement.ts';
import { HostRoot, INSIDE } from './host-root.ts';
import { fewCapabilities, filtered, noNewPrivileges, ownRoot, resourceLimits, restrictedBy } from './launch-steps.ts';
import { NODE_USERS } from './own-users.ts';
import type { HostUserNamespaces } from './own-users.ts';

/** Every host has a root folder and a mount namespace of its own, and may have users of its own. Needs root. */
export class OwnRoot implements Confinement {
  readonly missing: readonly string[];
  readonly needsReach = false;
  readonly hasOwnMounts = true;
  readonly ownUsers: HostUserNamespaces | undefined;
  readonly #root: HostRoot;
  readonly #code: string;
  readonly #ruleset: Ruleset | undefined;
  readonly #architecture: Architecture;
  readonly #launcher = findLauncher();

  constructor(
    { code, rootPath, users }: ConfinementOptions & { readonly users?: HostUserNamespaces | undefined },
    architecture: Architecture,
    abi: number,
    missing: readonly string[],
  ) {
    this.missing = missing;
    this.ownUsers = users;
    this.#architecture = architecture;
    this.#code = code;
    this.#root = new HostRoot(rootPath);
    // One for all hosts: what differs is what is mounted for each. It is there for as long as this process.
    this.#ruleset = abi < LEAST_ABI ? undefined : this.#root.rules(abi);
  }

  #steps(firstDescriptor: number, users: readonly Step[]): Step[] {
    return [
      ...ownRoot(this.#root.path, dirname(this.#code)),
      ...resourceLimits(),
      // All mounts are the node's own: whoever is root among other users has no rights over them.
      ...users,
      ...fewCapabilities(),
      ...noNewPrivileges(),
      ...(this.#ruleset ? restrictedBy(firstDescriptor) : []),
      ...filtered(this.#architecture),
    ];
  }

  launch(flags: readonly string[], firstDescriptor: number, options: LaunchOptions = {}): HostLaunch {
    const descriptors = this.#ruleset ? [this.#ruleset.fd] : [];
    const users = this.ownUsers?.prepare(options.users ?? 'own', firstDescriptor + descriptors.length) ?? NODE_USERS;
    return {
      command: launch(this.#launcher, this.#steps(firstDescriptor, users.steps), firstDescriptor - 1, [
        INSIDE.node,
        [...flags, join(INSIDE.code, basename(this.#code))],
      ]),
      descriptors: [...descriptors, ...users.descriptors],
      begin: users.begin,
      settle: users.settle,
      [Symbol.dispose]: () => users[Symbol.dispose](),
    };
  }
}

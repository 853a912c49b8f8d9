import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { useWithin } from '../../../base/open-within.ts';
import { loaderOf } from '../linux/elf.ts';
import { LEAST_ABI, Ruleset } from '../linux/landlock.ts';
import { findLauncher, launch } from '../linux/launcher.ts';
import type { Architecture } from '../linux/numbers.ts';
import { begin } from './confinement.ts';
import type { Confinement, ConfinementOptions, HostLaunch, LaunchOptions } from './confinement.ts';
import { loadedLibraries, RIGHTS_OF } from './host-root.ts';
import { filtered, noNewPrivileges, resourceLimits, restrictedBy } from './launch-steps.ts';
import { translateReach } from './reach.ts';
import type { Reach } from './reach.ts';

/**
 * What Node reads at its start where it is there: where libraries stand (ldconfig(8)), and the settings of OpenSSL, by
 * distribution, which Node takes for missing but not for forbidden.
 */
const READ_AT_START = [
  ...['/etc/ld.so.cache', '/etc/ssl/openssl.cnf', '/usr/lib/ssl/openssl.cnf', '/etc/pki/tls/openssl.cnf'],
];

/** Hosts see the machine's files, and Landlock lets them have those of their container. Needs no rights. */
export class ByPaths implements Confinement {
  readonly missing: readonly string[];
  readonly needsReach: boolean;
  readonly hasOwnMounts = false;
  readonly #code: string;
  readonly #abi: number;
  readonly #architecture: Architecture;
  readonly #launcher = findLauncher();

  constructor(options: ConfinementOptions, architecture: Architecture, abi: number, missing: readonly string[]) {
    this.missing = missing;
    this.#code = options.code;
    this.#abi = abi;
    this.#architecture = architecture;
    this.needsReach = abi >= LEAST_ABI;
  }

  launch(flags: readonly string[], firstDescriptor: number, { reach }: LaunchOptions = {}): HostLaunch {
    const ruleset = reach && this.needsReach ? this.#rules(reach) : undefined;
    const steps = [
      ...resourceLimits(),
      ...noNewPrivileges(),
      ...(ruleset ? restrictedBy(firstDescriptor) : []),
      ...filtered(this.#architecture),
    ];
    return {
      command: launch(this.#launcher, steps, firstDescriptor - 1, [process.execPath, [...flags, this.#code]]),
      descriptors: ruleset ? [ruleset.fd] : [],
      begin,
      [Symbol.dispose]: () => ruleset?.[Symbol.dispose](),
    };
  }

  #rules(reach: Reach): Ruleset {
    const ruleset = new Ruleset(this.#abi);
    try {
      const loader = loaderOf(process.execPath);
      for (const path of [process.execPath, ...loadedLibraries(), ...(loader === undefined ? [] : [loader])]) {
        ruleset.allow(path, 'execute');
      }
      for (const path of [dirname(this.#code), ...READ_AT_START.filter((name) => existsSync(name))])
        ruleset.allow(path, 'read');
      translateReach(reach, ({ purpose, path, within }) => {
        // What is not there is the host's to tell.
        if (existsSync(path)) useWithin(within, path, (held) => ruleset.allow(held, RIGHTS_OF[purpose]));
        return path;
      });
      return ruleset;
    } catch (error) {
      ruleset[Symbol.dispose]();
      throw error;
    }
  }
}

import { WasmletError } from '../../../base/errors.ts';
import { Unconfined } from './confinement.ts';
import type { Confinement, HostLaunch } from './confinement.ts';

/** `required`: no host runs unless nothing is missing. `preferred`: as far as the machine allows. `none`: not at all. */
export type ConfinementMode = 'required' | 'preferred' | 'none';

const NOT_WANTED = 'hosts are not confined: confinement is none in the configuration of the node';

/** Starts no host. */
class Refused implements Confinement {
  readonly missing: readonly string[];
  readonly refusal: string;
  readonly needsReach = true;
  readonly hasOwnMounts = false;

  constructor(missing: readonly string[]) {
    this.missing = missing;
    this.refusal = `confinement is required in the configuration of the node: ${missing.join('; ')}`;
  }

  launch(): HostLaunch {
    throw new WasmletError('FailedPrecondition', `no host can be started, as ${this.refusal}`);
  }
}

/**
 * How hosts are held by a node's configuration.
 * @param found what the machine allows
 * @param code as ConfinementOptions
 */
export function selectConfinement(mode: ConfinementMode, found: Confinement, code: string): Confinement {
  if (mode === 'none') return new Unconfined(code, [NOT_WANTED]);
  return mode === 'required' && found.missing.length > 0 ? new Refused(found.missing) : found;
}

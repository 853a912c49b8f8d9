import type { Logger } from '../../base/log.ts';
import type { Cgroups } from '../sandbox/cgroup.ts';
import type { ConfinementMode } from '../sandbox/confinement/select.ts';
import type { PodNetworks } from '../sandbox/network/pod-networks.ts';
import type { EventHub } from './events.ts';
import type { HostPool } from './pool.ts';
import type { SharedModules } from './shared/modules.ts';
import type { SharedHosts } from './shared/placement.ts';

/** What sandboxes and containers need of their supervisor. */
export interface SupervisorContext {
  /** The node's state folder. */
  readonly root: string;
  readonly runDirectory: string;
  readonly pool: HostPool;
  readonly sharedHosts: SharedHosts;
  readonly sharedModules: SharedModules;
  /** Holds the hosts that are started from now on as the agent's configuration says. */
  readonly confine: (mode: ConfinementMode) => void;
  /** Whether containers that are created now can have their root mounted for their host. */
  readonly mayMountRoots: () => boolean;
  readonly networks: PodNetworks;
  readonly events: EventHub;
  readonly logger: Logger;
  /** What guests may do; as the agent has configured it last. */
  readonly policy: { posixExtension: boolean };
  /** undefined where the machine has none that could be used. */
  readonly cgroups: Cgroups | undefined;
  /** Ends with the supervisor: what watches hosts then lets go of them. */
  readonly signal: AbortSignal;
}

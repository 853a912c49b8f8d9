import { existsSync } from 'node:fs';
import { messageOf } from '../../../base/errors.ts';
import { findExecutable } from '../../host/executable.ts';
import type { GuestStart } from '../../host/protocol.ts';
import type { MountedRoot } from '../../sandbox/confinement/reach.ts';
import type { SupervisorContext } from '../context.ts';
import type { ChildHost } from '../hosts.ts';
import type { SharedGuest } from './guest.ts';
import type { RewrittenModule } from './prepare.ts';
import type { Placement } from './placement.ts';

export interface SharedClaimRequest {
  readonly placement: Placement;
  readonly guest: GuestStart & MountedRoot;
  /** As PodSandboxConfig. */
  readonly hostUsers: boolean | undefined;
  /** Host path of the image's unpacked tree; nothing has been written into the guest's root yet. */
  readonly tree: string | undefined;
}

export interface Claim {
  readonly host: ChildHost | SharedGuest;
  /** What a shared host runs in place of the container's own module. */
  readonly module?: RewrittenModule;
  /** Why it is no shared host. */
  readonly ownHost?: string;
}

/**
 * A place for a container in a shared host, or a host of its own where its module could hurt others. What is wrong with
 * a module, such as that there is none, is the host's to tell: it then gets one of its own too.
 * @throws WasmletError Unavailable when no host can be started
 */
export async function claimShared(context: SupervisorContext, request: SharedClaimRequest): Promise<Claim> {
  const { placement } = request;
  const { netns } = placement;
  const container = { netns, guest: request.guest, hostUsers: request.hostUsers };
  const own = (): ChildHost => context.pool.claim(container);
  if (placement.needsMounts && !context.pool.confinement.hasOwnMounts) return { host: own(), ownHost: NOT_CONFINED };
  let prepared;
  try {
    prepared = await context.sharedModules.prepare(moduleOf(request));
  } catch (error) {
    context.logger.info('a module is not prepared for a shared host', {
      container: placement.container,
      error: messageOf(error),
    });
    return { host: own() };
  }
  const nodeUsers = context.pool.whyNodeUsers(container);
  // Where hosts that are shared have no others, it is in nobody's way.
  if (nodeUsers !== undefined && context.pool.confinement.ownUsers) return { host: own(), ownHost: nodeUsers };
  if ('ownHost' in prepared) return { host: own(), ownHost: prepared.ownHost };
  return { host: context.sharedHosts.claim(placement), module: prepared };
}

/** Where the configuration was changed between its creation and its start. */
const NOT_CONFINED = 'its files are mounted for it, and hosts that are shared are not confined any more';

/** By the image's own file, which is the same for all of its containers. @throws what findExecutable throws */
const moduleOf = ({ guest, tree }: SharedClaimRequest): string =>
  guest.module ?? findExecutable({ ...guest, root: tree !== undefined && existsSync(tree) ? tree : guest.root });

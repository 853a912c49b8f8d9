import { existsSync } from 'node:fs';
import { WasmletError } from '../../base/errors.ts';
import type { GuestStart } from '../host/protocol.ts';
import type { Confinement, OwnUsers } from '../sandbox/confinement/confinement.ts';
import { translateReach } from '../sandbox/confinement/reach.ts';
import type { MountedRoot, Reach } from '../sandbox/confinement/reach.ts';
import { firstFreePort } from '../sandbox/network/namespace.ts';

/** What a host is to be told of its container, as far as it matters here. */
export type HostedGuest = Pick<GuestStart, 'identity' | 'network'> & Reach & MountedRoot;

/** A container, and what its pod says. */
export interface HostedContainer {
  readonly guest: HostedGuest;
  /** Path of the pod's own network namespace; undefined: it shares the node's. */
  readonly netns: string | undefined;
  /** As PodSandboxConfig. */
  readonly hostUsers?: boolean | undefined;
}

/**
 * Why a container's host has the users of the node; undefined: it has its own.
 * @throws WasmletError FailedPrecondition when its pod has asked for what cannot be
 */
export function whyNodeUsers(container: HostedContainer, { ownUsers, missing }: Confinement): string | undefined {
  const { hostUsers } = container;
  if (hostUsers === true) return 'its pod asks for them (hostUsers: true)';
  const reason = ownUsers ? whyNotOwn(container, ownUsers) : `hosts have no others: ${missing.join('; ')}`;
  if (reason === undefined || hostUsers === undefined) return reason;
  throw new WasmletError('FailedPrecondition', `hostUsers: false is not possible: ${reason}`);
}

function whyNotOwn({ guest, netns }: HostedContainer, ownUsers: OwnUsers): string | undefined {
  const { uid = 0, gid = 0, groups = [] } = guest.identity ?? {};
  const { idsPerHost } = ownUsers;
  const high = [uid, gid, ...groups].find((id) => id >= idsPerHost);
  if (high !== undefined) return `it runs as user or group ${high}, and a host has ids up to ${idsPerHost - 1}`;
  const first = firstFreePort(netns);
  const low = guest.network?.listeners.find(({ port }) => port < first);
  if (low) return `port ${low.port} is for the root of the node alone`;
  const foreign = filesOf(guest).find(({ path, isVolume }) => existsSync(path) && !ownUsers.canOwn(path, isVolume));
  return foreign && `the file system of ${foreign.path} does not map owners`;
}

interface Files {
  readonly path: string;
  /** Whether it came from elsewhere, and may hold mounts. */
  readonly isVolume: boolean;
}

/** All that the host will see of the machine's files. */
function filesOf({ rootMount, ...guest }: HostedGuest): Files[] {
  const layers = rootMount && 'lower' in rootMount ? [rootMount.lower, rootMount.upper] : [];
  const files: Files[] = layers.map((path) => ({ path, isVolume: false }));
  translateReach(guest, ({ purpose, path }) => {
    const isRoot = path === guest.root;
    const isVolume = (purpose === 'files' || purpose === 'readonly') && !isRoot;
    if (!isRoot || !rootMount) files.push({ path, isVolume });
    return path;
  });
  return files;
}

import { existsSync } from 'node:fs';
import type { GuestStart } from '../host/protocol.ts';
import type { Confinement } from '../sandbox/confinement/confinement.ts';
import { translateReach } from '../sandbox/confinement/reach.ts';
import type { MountedRoot, Reach } from '../sandbox/confinement/reach.ts';
import { IDS_PER_HOST } from '../sandbox/confinement/user-ranges.ts';
import { firstFreePort } from '../sandbox/network/namespace.ts';

/** What a host is to be told of its container, as far as it matters here. */
export type HostedGuest = Pick<GuestStart, 'identity' | 'network'> & Reach & MountedRoot;

/**
 * Why a container's host has the users of the node, although hosts have users of their own; undefined: it has its own.
 * @param netns path of the pod's own network namespace; undefined: it shares the node's
 */
export function whyNodeUsers(
  { ownUsers }: Confinement,
  guest: HostedGuest,
  netns: string | undefined,
): string | undefined {
  if (!ownUsers) return undefined;
  const { uid = 0, gid = 0, groups = [] } = guest.identity ?? {};
  const high = [uid, gid, ...groups].find((id) => id >= IDS_PER_HOST);
  if (high !== undefined) return `it runs as user or group ${high}, and a host has ids up to ${IDS_PER_HOST - 1}`;
  const first = firstFreePort(netns);
  const low = guest.network?.listeners.find(({ port }) => port < first);
  if (low) return `port ${low.port} is for the root of the node alone`;
  const foreign = pathsOf(guest).find((path) => existsSync(path) && !ownUsers.canOwn(path));
  return foreign === undefined ? undefined : `the file system of ${foreign} does not map owners`;
}

/** All that the host will see of the machine's files. */
function pathsOf({ rootMount, ...guest }: HostedGuest): string[] {
  const paths = rootMount && 'lower' in rootMount ? [rootMount.lower, rootMount.upper] : [];
  translateReach(guest, ({ path }) => {
    if (rootMount === undefined || path !== guest.root) paths.push(path);
    return path;
  });
  return paths;
}

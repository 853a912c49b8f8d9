/** Ids of users and groups that hosts are given, the same number to each. All are multiples of UNIT. */
export interface UserIds {
  readonly first: number;
  /** Of all of them together. */
  readonly count: number;
  readonly perHost: number;
}

/** As the kubelet's userNsUnitLength (KEP-127): whoever gives ids away does so in ranges of so many. */
export const UNIT = 65_536;

/**
 * Ids that no distribution, container manager or directory service gives anybody (systemd.io/UIDS-GIDS, "unused"). None
 * of them is ever the owner of a file on disk.
 */
const UNUSED = { first: 0x70000000, end: 0x80000000 };

/** Those that hosts get where nothing else is configured. @param perHost a multiple of UNIT */
export function defaultUserIds(perHost = UNIT): UserIds {
  const first = Math.ceil(UNUSED.first / perHost) * perHost;
  const end = Math.floor(UNUSED.end / perHost) * perHost;
  return { first, count: Math.max(0, end - first), perHost };
}

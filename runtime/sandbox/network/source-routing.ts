import { existsSync } from 'node:fs';
import { z } from 'zod';
import { WasmletError } from '../../../base/errors.ts';
import { runInside } from './namespace.ts';

/**
 * Routing in a network namespace that several pods share, each with an interface and addresses of its own. The kernel
 * takes all of them for one machine; with this, each pod is to the network what it would be in a namespace of its own:
 *
 * - what a pod sends, which has its address as the source, leaves by its own interface, by a table of routes of its
 *   own. That holds for what goes to its neighbours too: were it delivered inside, the answer to what went through a
 *   Service's address would come back by another way than the question went, and network policies would not see it;
 * - an interface answers for its own addresses alone (ARP; IPv6 does so by itself).
 */

/** Below /proc/sys/net/ipv4/conf. Without the last two, the kernel drops what comes from an address of its own. */
const SETTINGS = {
  'all/arp_ignore': 1,
  'all/arp_announce': 2,
  'all/accept_local': 1,
  'all/rp_filter': 0,
  'default/rp_filter': 0,
};

/** Priorities of the rules; the main table's is 32766. The kernel's own rule for local addresses, 0, is moved. */
const PRIORITY = { LOOPBACK: 1, FROM_POD: 10, LOCAL: 100 } as const;

/** The first pod's table; 253 to 255 are the kernel's. */
const FIRST_TABLE = 1000;

const FAMILIES = [
  { flag: '-4', loopback: '127.0.0.0/8', has: (address: string) => !address.includes(':') },
  { flag: '-6', loopback: '::1', has: (address: string) => address.includes(':') },
] as const;

const nextHop = z.object({ gateway: z.string().exactOptional(), dev: z.string(), flags: z.array(z.string()) });
const route = z.object({
  type: z.string().exactOptional(),
  dst: z.string(),
  gateway: z.string().exactOptional(),
  via: z.object({ family: z.string(), host: z.string() }).exactOptional(),
  dev: z.string().exactOptional(),
  scope: z.string().exactOptional(),
  prefsrc: z.string().exactOptional(),
  metric: z.number().exactOptional(),
  flags: z.array(z.string()).default([]),
  /** Where several interfaces have a route of one gateway (IPv6). */
  nexthops: z.array(nextHop).default([]),
});
type Route = z.infer<typeof route>;
const link = z.object({ ifname: z.string(), ifalias: z.string().exactOptional() });

/** A pod's interface in the namespace. */
export interface PodInterface {
  readonly name: string;
  /** Its number among those of the namespace, from 0. */
  readonly slot: number;
  readonly addresses: readonly string[];
  /** The sandbox's id. */
  readonly owner: string;
}

const tableOf = (slot: number): number => FIRST_TABLE + slot;

/** The families that the kernel has. */
const families = () => FAMILIES.filter(({ flag }) => flag === '-4' || existsSync('/proc/sys/net/ipv6'));

async function json<T>(path: string, args: readonly string[], schema: z.ZodType<T>): Promise<T> {
  const text = await runInside(path, 'ip', ['-j', ...args]);
  const parsed = schema.safeParse(text.trim() === '' ? [] : JSON.parse(text));
  if (parsed.success) return parsed.data;
  const message = `ip ${args.join(' ')} answered what is not understood`;
  throw new WasmletError('FailedPrecondition', message, { cause: parsed.error });
}

const batch = (path: string, flag: string, lines: readonly string[]): Promise<string> =>
  runInside(path, 'ip', [flag, '-batch', '-'], lines.map((line) => `${line}\n`).join(''));

/** Makes a new namespace ready for pods. @throws WasmletError FailedPrecondition */
export async function prepareForPods(path: string): Promise<void> {
  const settings = Object.entries(SETTINGS).map(([name, value]) => `${name}=${value}`);
  const script = 'for each; do echo "${each#*=}" > "/proc/sys/net/ipv4/conf/${each%%=*}" || exit 1; done';
  await runInside(path, 'sh', ['-c', script, 'sh', ...settings]);
  for (const { flag, loopback } of families()) {
    await batch(path, flag, [
      'link set lo up',
      `rule add priority ${PRIORITY.LOOPBACK} to ${loopback} lookup local`,
      `rule add priority ${PRIORITY.LOCAL} lookup local`,
      'rule del priority 0',
    ]);
  }
}

/** Has all that a pod sends leave by its own interface, and notes on that whose it is. @throws WasmletError */
export async function routeFrom(path: string, pod: PodInterface): Promise<void> {
  await stopRouting(path, pod.slot);
  await batch(path, '-4', [`link set dev ${pod.name} alias ${pod.owner}`]);
  const table = tableOf(pod.slot);
  for (const { flag, has } of families()) {
    const addresses = pod.addresses.filter(has);
    if (addresses.length === 0) continue;
    const routes = routesOf(await json(path, [flag, 'route', 'show', 'table', 'main'], z.array(route)), pod.name);
    await batch(path, flag, [
      ...addresses.map((address) => `route add local ${address} dev lo table ${table}`),
      ...routes.map((each) => `route add ${each} table ${table}`),
      ...addresses.map((address) => `rule add priority ${PRIORITY.FROM_POD} iif lo from ${address} lookup ${table}`),
    ]);
  }
}

/** The routes of an interface as arguments of `ip route add`, those that need no gateway first. */
export function routesOf(all: readonly Route[], name: string): string[] {
  const own = all.flatMap((each) => {
    const hop = each.dev === name ? each : each.nexthops.find(({ dev }) => dev === name);
    return hop ? [{ ...each, ...hop }] : [];
  });
  const isDirect = ({ gateway, via }: Route): boolean => gateway === undefined && via === undefined;
  return [...own.filter(isDirect), ...own.filter((each) => !isDirect(each))].map((each) => argumentsOf(each, name));
}

function argumentsOf({ type, dst, gateway, via, scope, prefsrc, metric, flags }: Route, name: string): string {
  return [
    ...(type === undefined ? [] : [type]),
    dst,
    ...(gateway === undefined ? [] : ['via', gateway]),
    ...(via === undefined ? [] : ['via', via.family, via.host]),
    ...['dev', name],
    ...(scope === undefined ? [] : ['scope', scope]),
    ...(prefsrc === undefined ? [] : ['src', prefsrc]),
    ...(metric === undefined ? [] : ['metric', String(metric)]),
    ...(flags.includes('onlink') ? ['onlink'] : []),
  ].join(' ');
}

/** Undoes routeFrom; nothing to undo is no fault. @throws WasmletError */
export async function stopRouting(path: string, slot: number): Promise<void> {
  const table = tableOf(slot);
  for (const { flag } of families())
    await batch(path, flag, [`rule flush table ${table}`, `route flush table ${table}`]);
}

/** The interfaces of pods in a namespace, with the ids of their sandboxes. @throws WasmletError */
export async function podInterfaces(path: string): Promise<{ readonly name: string; readonly owner: string }[]> {
  const links = await json(path, ['link', 'show'], z.array(link));
  return links.flatMap(({ ifname, ifalias }) => (ifalias === undefined ? [] : [{ name: ifname, owner: ifalias }]));
}

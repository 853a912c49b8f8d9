import { parseAddress, type Family } from './address.ts';

/** What getaddrinfo(3) says, with WasmEdge's numbers, which follow those of `errno`. */
export const EAI = { AGAIN: 78, BADFLAGS: 79, FAIL: 80, FAMILY: 81, MEMORY: 82, NONAME: 84, SERVICE: 85 } as const;

/** A name that cannot be resolved. */
export class ResolveError extends Error {
  readonly errno: number;

  constructor(errno: number, message: string) {
    super(message);
    this.name = 'ResolveError';
    this.errno = errno;
  }
}

/** resolv.conf(5), as far as it matters. */
export interface ResolverConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly ndots: number;
  readonly timeoutMs: number;
  readonly attempts: number;
  /** The addresses that servers are asked from; absent: as the kernel chooses. */
  readonly sources?: { readonly ipv4: string; readonly ipv6: string };
}

const DEFAULT_NDOTS = 1;
const DEFAULT_TIMEOUT_S = 5;
const DEFAULT_ATTEMPTS = 2;
/** resolv.conf(5): MAXNS, RES_MAXNDOTS, RES_MAXRETRANS, RES_MAXRETRY; searches as the kubelet bounds them. */
const MAX_SERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_NDOTS = 15;
const MAX_TIMEOUT_S = 30;
const MAX_ATTEMPTS = 5;

const bounded = (text: string | undefined, fallback: number, most: number): number =>
  text !== undefined && /^\d{1,4}$/.test(text) ? Math.min(most, Number(text)) : fallback;

/** @param options 'ndots:5' and so on */
export function resolverConfig(
  servers: readonly string[],
  searches: readonly string[],
  options: readonly string[],
): ResolverConfig {
  const values = new Map<string, string | undefined>();
  for (const [name = '', value] of options.map((option) => option.split(':', 2))) values.set(name, value);
  return {
    servers: servers.filter((server) => parseAddress(server) !== undefined).slice(0, MAX_SERVERS),
    searches: searches.slice(0, MAX_SEARCHES),
    ndots: bounded(values.get('ndots'), DEFAULT_NDOTS, MAX_NDOTS),
    timeoutMs: Math.max(1, bounded(values.get('timeout'), DEFAULT_TIMEOUT_S, MAX_TIMEOUT_S)) * 1000,
    attempts: Math.max(1, bounded(values.get('attempts'), DEFAULT_ATTEMPTS, MAX_ATTEMPTS)),
  };
}

export function parseResolvConf(text: string): ResolverConfig {
  const servers: string[] = [];
  const options: string[] = [];
  let searches: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver') servers.push(...words.slice(0, 1));
    if (keyword === 'search' || keyword === 'domain') searches = words;
    if (keyword === 'options') options.push(...words);
  }
  return resolverConfig(servers, searches, options);
}

/** The addresses of a name in hosts(5). */
export function lookUpInHosts(text: string, name: string): Uint8Array[] {
  const wanted = name.replace(/\.$/, '').toLowerCase();
  return text.split('\n').flatMap((line) => {
    const [address = '', ...names] = line.replace(/#.*$/, '').trim().split(/\s+/);
    const ip = parseAddress(address);
    return ip !== undefined && names.some((other) => other.toLowerCase() === wanted) ? [ip] : [];
  });
}

/** The names to ask for, in order, as resolv.conf(5) has it. */
export function candidates(name: string, { searches, ndots }: ResolverConfig): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const dots = name.split('.').length - 1;
  const searched = searches.map((domain) => `${name}.${domain.replace(/\.$/, '')}`);
  return dots >= ndots ? [name, ...searched] : [...searched, name];
}

/** c-ares' words for "there is no such thing". */
const NO_SUCH = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME']);

interface Answer {
  readonly addresses: readonly Uint8Array[];
  /** Set where it is not the answer that there is none. */
  readonly failure?: unknown;
}

/**
 * Asks the name servers.
 * @param config without servers, the node's own are asked
 * @throws ResolveError NONAME, AGAIN
 */
export async function lookUpByServers(
  name: string,
  families: readonly Family[],
  config: ResolverConfig,
): Promise<Uint8Array[]> {
  const { Resolver } = process.getBuiltinModule('node:dns/promises');
  const resolver = new Resolver({ timeout: config.timeoutMs, tries: config.attempts });
  if (config.servers.length > 0) resolver.setServers(config.servers);
  if (config.sources) resolver.setLocalAddress(config.sources.ipv4, config.sources.ipv6);
  let failure: unknown;
  const ask = async (candidate: string, family: Family): Promise<Answer> => {
    try {
      const texts = await (family === 4 ? resolver.resolve4(candidate) : resolver.resolve6(candidate));
      return { addresses: texts.flatMap((text) => parseAddress(text) ?? []) };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      return NO_SUCH.has(code) ? { addresses: [] } : { addresses: [], failure: error };
    }
  };
  for (const candidate of candidates(name, config)) {
    const answers = await Promise.all(families.map((family) => ask(candidate, family)));
    const found = answers.flatMap(({ addresses }) => addresses);
    if (found.length > 0) return found;
    failure ??= answers.find((answer) => answer.failure !== undefined)?.failure;
  }
  if (failure === undefined) throw new ResolveError(EAI.NONAME, `${name}: no such name`);
  throw new ResolveError(EAI.AGAIN, `${name}: the name servers do not answer`);
}

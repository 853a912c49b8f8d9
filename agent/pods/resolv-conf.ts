/** What a resolver is told: CRI's DNSConfig. */
export interface DnsSettings {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  /** 'ndots:5' or 'rotate' */
  readonly options: readonly string[];
}

/** A later option of the same name takes the place of an earlier one; the order is that of the first. */
export function mergeOptions(existing: readonly string[], added: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const option of [...existing, ...added]) merged.set(option.split(':', 1)[0] ?? '', option);
  return [...merged.values()];
}

/**
 * Reads a resolv.conf(5) as the kubelet does (pkg/kubelet/network/dns, parseResolvConf): name servers add up, the last
 * search line wins, the last option of a name too; names lose their dot at the end.
 * @throws Error for a nameserver line without an address
 */
export function parseResolvConf(text: string): DnsSettings {
  const servers: string[] = [];
  let searches: string[] = [];
  let options: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    if (keyword === 'nameserver') {
      if (values[0] === undefined) {
        throw new Error('Encountered error while parsing resolv conf file. Error: nameserver list is empty ');
      }
      servers.push(values[0]);
    } else if (keyword === 'search') {
      searches = values.filter((name) => name !== '.').map((name) => name.replace(/\.$/, ''));
    } else if (keyword === 'options') {
      options = mergeOptions(options, values);
    }
  }
  return { servers, searches, options };
}

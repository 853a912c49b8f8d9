import { readFile } from 'node:fs/promises';
import { errnoOf } from '../../base/errors.ts';
import type { Config } from '../config/schema.ts';
import type { Pod } from '../kube/types.ts';
import type { EventRecorder } from './context.ts';
import { mergeOptions, parseResolvConf, type DnsSettings } from './resolv-conf.ts';
import { identityOf, podReference } from './spec.ts';

/** resolv.conf(5) and the API's validation (pkg/apis/core/validation): what a pod's resolver takes. */
const MAX_SERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 2048;
const MAX_NAME_CHARACTERS = 253;

/** Of pods that ask the cluster's DNS service. */
const CLUSTER_OPTIONS = ['ndots:5'];

export interface DnsEnvironment {
  readonly config: Pick<Config, 'nodeName' | 'clusterDNS' | 'clusterDomain' | 'resolvConf'>;
  readonly recorder: EventRecorder;
  readonly hostIPs: () => readonly string[];
}

/**
 * The resolver of a pod, by its dnsPolicy and dnsConfig (pkg/kubelet/network/dns, GetPodDNS), with the events
 * DNSConfigForming and MissingClusterDNS.
 * @throws Error when the file that `resolvConf` names cannot be read, in the kubelet's words
 */
export async function podDns(environment: DnsEnvironment, pod: Pod): Promise<DnsSettings> {
  const base = await baseSettings(environment, pod);
  const wanted = pod.spec?.dnsConfig;
  const options = (wanted?.options ?? []).map(({ name = '', value = '' }) =>
    value === '' ? name : `${name}:${value}`,
  );
  const searches = [...new Set([...base.searches, ...(wanted?.searches ?? [])])];
  return {
    servers: fittingServers(environment, pod, [...new Set([...base.servers, ...(wanted?.nameservers ?? [])])]),
    searches: fittingSearches(environment, pod, searches),
    options: mergeOptions(base.options, options),
  };
}

async function baseSettings(environment: DnsEnvironment, pod: Pod): Promise<DnsSettings> {
  const { config } = environment;
  const node = await nodeSettings(config.resolvConf);
  const policy = policyOf(pod);
  if (policy === 'None') return { servers: [], searches: [], options: [] };
  if (policy === 'ClusterFirst') {
    if (config.clusterDNS.length > 0) {
      const searches = clusterSearches(config.clusterDomain, pod, node.searches);
      return { servers: config.clusterDNS, searches, options: CLUSTER_OPTIONS };
    }
    tellOfMissingClusterDns(environment, pod);
  }
  if (config.resolvConf !== '') return node;
  // Without a file: the name server of the machine itself, and no search.
  const loopbacks = environment.hostIPs().map((ip) => (ip.includes(':') ? '::1' : '127.0.0.1'));
  return { ...node, servers: loopbacks.length > 0 ? loopbacks : ['127.0.0.1'], searches: ['.'] };
}

function policyOf({ spec }: Pod): 'None' | 'ClusterFirst' | 'Default' {
  switch (spec?.dnsPolicy) {
    case 'None':
      return 'None';
    case 'Default':
      return 'Default';
    case 'ClusterFirstWithHostNet':
      return 'ClusterFirst';
    default:
      return spec?.hostNetwork === true ? 'Default' : 'ClusterFirst';
  }
}

async function nodeSettings(path: string): Promise<DnsSettings> {
  if (path === '') return { servers: [], searches: [], options: [] };
  try {
    return parseResolvConf(await readFile(path, 'utf8'));
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cause;
    throw new Error(`open ${path}: no such file or directory`, { cause });
  }
}

function clusterSearches(domain: string, pod: Pod, ofNode: readonly string[]): readonly string[] {
  if (domain === '') return ofNode;
  const { namespace } = identityOf(pod);
  return [...new Set([`${namespace}.svc.${domain}`, `svc.${domain}`, domain, ...ofNode])];
}

function tellOfMissingClusterDns({ config, recorder }: DnsEnvironment, pod: Pod): void {
  const { namespace, name, uid } = identityOf(pod);
  const message =
    'kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. ' +
    'Falling back to "Default" policy.';
  const node = { apiVersion: 'v1', kind: 'Node', name: config.nodeName, uid: config.nodeName };
  recorder.record(node, 'Warning', 'MissingClusterDNS', message);
  const ofPod = `pod: "${name}_${namespace}(${uid})". ${message}`;
  recorder.record(podReference(pod), 'Warning', 'MissingClusterDNS', ofPod);
}

function fittingServers({ recorder }: DnsEnvironment, pod: Pod, servers: readonly string[]): readonly string[] {
  if (servers.length <= MAX_SERVERS) return servers;
  const kept = servers.slice(0, MAX_SERVERS);
  const message =
    'Nameserver limits were exceeded, some nameservers have been omitted, ' +
    `the applied nameserver line is: ${kept.join(' ')}`;
  recorder.record(podReference(pod), 'Warning', 'DNSConfigForming', message);
  return kept;
}

function fittingSearches({ recorder }: DnsEnvironment, pod: Pod, searches: readonly string[]): readonly string[] {
  // Too long a name makes some C libraries abort.
  const kept = searches.slice(0, MAX_SEARCHES).filter((name) => Buffer.byteLength(name) <= MAX_NAME_CHARACTERS);
  while (Buffer.byteLength(kept.join(' ')) > MAX_SEARCH_CHARACTERS) kept.pop();
  if (kept.length < searches.length) {
    const message =
      'Search Line limits were exceeded, some search paths have been omitted, ' +
      `the applied search line is: ${kept.join(' ')}`;
    recorder.record(podReference(pod), 'Warning', 'DNSConfigForming', message);
  }
  return kept;
}

import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Mount } from '../../runtime/service.ts';
import type { Container, Pod } from '../kube/types.ts';
import { domainOf, hostnameOf } from './hostname.ts';

const HOSTS_PATH = '/etc/hosts';
const HOSTS_MODE = 0o644;

const MANAGED = `# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
`;
const MANAGED_HOST_NETWORK = '# Kubernetes-managed hosts file (host network).\n';

export interface HostsFileRequest {
  readonly pod: Pod;
  readonly container: Container;
  readonly podIPs: readonly string[];
  readonly clusterDomain: string;
  /** `<pod's folder>/etc-hosts`: one for all of its containers, written anew when one starts. */
  readonly path: string;
}

/**
 * Writes the pod's /etc/hosts and says where it is mounted (kubelet_pods.go, makeHostsMount).
 * @returns undefined for a container that mounts a volume there, and for a pod whose address is not known
 */
export async function makeHostsMount(request: HostsFileRequest): Promise<Mount | undefined> {
  const { pod, container, podIPs, path } = request;
  if ((container.volumeMounts ?? []).some(({ mountPath }) => mountPath === HOSTS_PATH)) return undefined;
  if (podIPs.length === 0 && pod.spec?.hostNetwork !== true) return undefined;
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  await writeFile(path, await hostsFile(request), { mode: HOSTS_MODE });
  await chmod(path, HOSTS_MODE);
  return { containerPath: HOSTS_PATH, hostPath: path, readonly: false };
}

async function hostsFile({ pod, podIPs, clusterDomain }: HostsFileRequest): Promise<string> {
  if (pod.spec?.hostNetwork === true) {
    return MANAGED_HOST_NETWORK + (await readFile(HOSTS_PATH, 'utf8')) + aliasLines(pod);
  }
  const hostname = hostnameOf(pod);
  const domain = domainOf(pod, clusterDomain);
  const names = domain === '' ? hostname : `${hostname}.${domain}\t${hostname}`;
  return MANAGED + podIPs.map((ip) => `${ip}\t${names}\n`).join('') + aliasLines(pod);
}

function aliasLines({ spec }: Pod): string {
  const aliases = spec?.hostAliases ?? [];
  if (aliases.length === 0) return '';
  const lines = aliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}\n`);
  return `\n# Entries added by HostAliases.\n${lines.join('')}`;
}

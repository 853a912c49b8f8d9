import type { PodSandboxConfig, PortMapping } from '../../runtime/service.ts';
import type { Pod } from '../kube/types.ts';
import { podLabels } from './labels.ts';
import { podLogDir } from './logs.ts';
import { containersOf, hostnameOf, identityOf, initContainersOf, isRestartableInit } from './spec.ts';

/** @param attempt counts the sandboxes of this pod, from 0 */
export function sandboxConfig(pod: Pod, attempt: number, podLogsDir: string): PodSandboxConfig {
  const identity = identityOf(pod);
  return {
    metadata: { ...identity, attempt },
    hostname: hostnameOf(pod),
    logDirectory: podLogDir(podLogsDir, identity),
    ...dnsConfigOf(pod),
    portMappings: portMappingsOf(pod),
    hostNetwork: pod.spec?.hostNetwork ?? false,
    labels: podLabels(pod),
    annotations: pod.metadata?.annotations ?? {},
  };
}

function dnsConfigOf(pod: Pod): Pick<PodSandboxConfig, 'dnsConfig'> {
  const config = pod.spec?.dnsConfig;
  if (!config) return {};
  const options = (config.options ?? []).map(({ name, value }) =>
    value === undefined ? (name ?? '') : `${name ?? ''}:${value}`,
  );
  return { dnsConfig: { servers: config.nameservers ?? [], searches: config.searches ?? [], options } };
}

/** Those of sidecars too, as the kubelet: they run beside the regular containers. */
function portMappingsOf(pod: Pod): PortMapping[] {
  const containers = [...containersOf(pod), ...initContainersOf(pod).filter(isRestartableInit)];
  return containers
    .flatMap(({ ports }) => ports ?? [])
    .map(({ protocol, containerPort, hostPort, hostIP }) => ({
      protocol: protocol === 'UDP' || protocol === 'SCTP' ? protocol : 'TCP',
      containerPort,
      hostPort: hostPort ?? 0,
      hostIp: hostIP ?? '',
    }));
}

import type { LinuxPodSandboxConfig, PodSandboxConfig, PortMapping } from '../../runtime/service.ts';
import type { Pod } from '../kube/types.ts';
import { ownHostname } from './hostname.ts';
import { podLabels } from './labels.ts';
import { podLogDir } from './logs.ts';
import type { DnsSettings } from './resolv-conf.ts';
import { containersOf, identityOf, initContainersOf, isRestartableInit } from './spec.ts';

/** What a sandbox gets from elsewhere than the pod's spec. */
export interface SandboxSurroundings {
  readonly podLogsDir: string;
  readonly clusterDomain: string;
  readonly dnsConfig: DnsSettings;
  /** Undefined: no control groups. */
  readonly linux: LinuxPodSandboxConfig | undefined;
}

/**
 * @param attempt counts the sandboxes of this pod, from 0
 * @throws WasmletError InvalidArgument when the pod's host name is too long
 */
export function sandboxConfig(
  pod: Pod,
  attempt: number,
  { podLogsDir, clusterDomain, dnsConfig, linux }: SandboxSurroundings,
): PodSandboxConfig {
  const identity = identityOf(pod);
  return {
    metadata: { ...identity, attempt },
    hostname: ownHostname(pod, clusterDomain),
    logDirectory: podLogDir(podLogsDir, identity),
    dnsConfig,
    portMappings: portMappingsOf(pod),
    hostNetwork: pod.spec?.hostNetwork ?? false,
    ...(pod.spec?.hostUsers === undefined ? {} : { hostUsers: pod.spec.hostUsers }),
    labels: podLabels(pod),
    annotations: pod.metadata?.annotations ?? {},
    ...(linux === undefined ? {} : { linux }),
  };
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

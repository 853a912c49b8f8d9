import type { GuestNetwork } from '../../runtime/service.ts';
import type { Config } from '../config/schema.ts';
import type { Container, Pod } from '../kube/types.ts';

export interface GuestNetworkInput {
  readonly config: Config;
  readonly hostIPs: readonly string[];
  /** Ports of the agent itself. */
  readonly ownPorts: readonly number[];
}

/**
 * What the sockets of a container may do (docs/sockets.md): it listens on the addresses that the pod's status shows, and
 * its declared TCP ports are there from the start. A pod on the host's network reaches the node's loopback, as that is
 * what such a pod is for.
 */
export function guestNetwork(
  pod: Pod,
  { ports = [] }: Container,
  { config, hostIPs, ownPorts }: GuestNetworkInput,
): GuestNetwork {
  return {
    bindAddresses: config.podBindAddresses.length > 0 ? config.podBindAddresses : hostIPs,
    listeners: ports
      .filter(({ protocol }) => protocol === undefined || protocol === 'TCP')
      .map(({ name, containerPort }) => ({ name: name ?? '', port: containerPort })),
    policy: {
      allowLoopback: config.guestAllowLoopback || pod.spec?.hostNetwork === true,
      allow: config.guestAllowAddresses,
      deny: config.guestDenyAddresses,
      ownPorts,
    },
  };
}

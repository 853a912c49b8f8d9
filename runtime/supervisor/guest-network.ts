import type { ContainerConfig, GuestNetwork } from '../service.ts';

/** For a client that says nothing of the network, as a kubelet through CRI: what is never meant for a pod is refused. */
const DEFAULT_NETWORK: GuestNetwork = {
  bindAddresses: [],
  listeners: [],
  policy: { allowLoopback: false, allow: [], deny: ['169.254.0.0/16', 'fe80::/10'], ownPorts: [] },
};

/**
 * What a container's sockets may do.
 * @param own whether its pod has a network of its own: then the kernel has only the pod's addresses for it, its
 *   loopback is the pod's, which its containers share, and the node's ports are those of the node's addresses
 */
export function networkOf({ network = DEFAULT_NETWORK }: ContainerConfig, own: boolean): GuestNetwork {
  const { ownAddresses = [], ...policy } = network.policy;
  if (!own) return { ...network, policy };
  return { ...network, bindAddresses: [], policy: { ...policy, allowLoopback: true, ownAddresses } };
}

import type { ContainerConfig, GuestNetwork } from '../service.ts';

/** For a client that says nothing of the network, as a kubelet through CRI: what is never meant for a pod is refused. */
const DEFAULT_NETWORK: GuestNetwork = {
  bindAddresses: [],
  listeners: [],
  policy: { allowLoopback: false, allow: [], deny: ['169.254.0.0/16', 'fe80::/10'], ownPorts: [] },
};

export const networkOf = ({ network }: ContainerConfig): GuestNetwork => network ?? DEFAULT_NETWORK;

import { networkInterfaces } from 'node:os';
import type { WasiNetwork } from '../../wasi/wasi.ts';
import type { ContainerConfig, GuestNetwork } from '../service.ts';
import type { ContainerOwner } from './container-owner.ts';

/** For a client that says nothing of the network, as a kubelet through CRI: what is never meant for a pod is refused. */
const DEFAULT_NETWORK: GuestNetwork = {
  bindAddresses: [],
  listeners: [],
  policy: { allowLoopback: false, allow: [], deny: ['169.254.0.0/16', 'fe80::/10'], ownPorts: [] },
};

/**
 * What a container's sockets may do. Where its pod has a network of its own, its loopback is the pod's, which its
 * containers share, and the node's ports are those of the node's addresses; the kernel has only the pod's addresses for
 * it, unless other pods are in the network namespace too.
 */
export function networkOf(
  { network = DEFAULT_NETWORK }: ContainerConfig,
  { netns, guestAddresses }: Pick<ContainerOwner, 'netns' | 'guestAddresses'>,
): Pick<WasiNetwork, 'bindAddresses' | 'loopback' | 'listeners' | 'policy'> {
  // A confined host cannot ask the kernel for the machine's addresses itself.
  const ownAddresses = machineAddresses();
  if (netns === undefined)
    return { ...network, policy: { ...network.policy, ownAddresses: [...LOOPBACK, ...ownAddresses] } };
  const { addresses = [], loopback } = guestAddresses ?? {};
  return {
    ...network,
    bindAddresses: addresses,
    ...(loopback === undefined ? {} : { loopback }),
    policy: { ...network.policy, allowLoopback: true, ownAddresses },
  };
}

/** Linux takes 0.0.0.0 and :: for itself too. */
const LOOPBACK = ['127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128'];

/** All of them, the bridge's among them: each leads a pod to the node's ports. */
const machineAddresses = (): string[] =>
  Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address }) => address);

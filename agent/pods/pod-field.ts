import { isIPv4, isIPv6 } from 'node:net';
import { WasmletError } from '../../base/errors.ts';
import type { Pod } from '../kube/types.ts';
import type { PodAddresses } from './environment.ts';
import { fieldPathValue, splitSubscript } from './field-path.ts';

const KNOWN_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.restartPolicy',
  'spec.serviceAccountName',
  'spec.schedulerName',
  'status.phase',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

/** Fields that depend on where the pod runs; the others are read off its metadata. */
const RUNTIME_FIELDS: Readonly<Record<string, (pod: Pod, addresses: PodAddresses) => string>> = {
  'spec.nodeName': (pod) => pod.spec?.nodeName ?? '',
  'spec.serviceAccountName': (pod) => pod.spec?.serviceAccountName ?? '',
  'status.hostIP': (_, addresses) => hostIPs(addresses)[0] ?? '',
  'status.hostIPs': (_, addresses) => hostIPs(addresses).join(','),
  'status.podIP': (_, addresses) => podIPs(addresses)[0] ?? '',
  'status.podIPs': (_, addresses) => podIPs(addresses).join(','),
};

/**
 * The value of a fieldRef of a variable (pkg/kubelet/kubelet_pods.go, podFieldSelectorRuntimeValue, with
 * pkg/apis/core/pods, ConvertDownwardAPIFieldLabel).
 * @throws WasmletError InvalidArgument with the kubelet's text; Unavailable when the node has no address yet
 */
export function podFieldValue(
  pod: Pod,
  reference: { readonly apiVersion?: string; readonly fieldPath: string },
  addresses: PodAddresses,
): string {
  const { apiVersion = 'v1' } = reference;
  if (apiVersion !== 'v1') throw new WasmletError('InvalidArgument', `unsupported pod version: ${apiVersion}`);
  const path = reference.fieldPath === 'spec.host' ? 'spec.nodeName' : reference.fieldPath;
  if (!splitSubscript(path) && !KNOWN_FIELDS.includes(path)) {
    throw new WasmletError('InvalidArgument', `field label not supported: ${path}`);
  }
  return RUNTIME_FIELDS[path]?.(pod, addresses) ?? fieldPathValue(pod, path);
}

function hostIPs({ hostIPs: addresses }: PodAddresses): readonly string[] {
  if (addresses.length === 0) throw new WasmletError('Unavailable', 'host IP unknown; known addresses: []');
  return addresses;
}

/** One address of each family, first that of the node's first address (pkg/kubelet, sortPodIPs). */
function podIPs({ podIPs: addresses, hostIPs: [hostIP = ''] }: PodAddresses): string[] {
  const families = isIPv6(hostIP) ? [isIPv6, isIPv4] : [isIPv4, isIPv6];
  return families.flatMap((isFamily) => addresses.find((address) => isFamily(address)) ?? []);
}

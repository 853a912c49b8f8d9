import { whyUnsupported } from '../../volumes/supported.ts';
import type { Container, Pod } from '../../kube/types.ts';
import { allContainersOf } from '../spec.ts';
import type { AdmissionInput, AdmissionRule, Refusal } from './admission.ts';
import { sysctls } from './sysctls.ts';

/** status.reason of a pod whose spec asks for what a Wasm node does not have. */
const UNSUPPORTED = 'UnsupportedPodSpec';

const unsupported = (message: string): Refusal => ({ reason: UNSUPPORTED, message });

/** A rule over the pod alone: the message of what it must not ask for. */
const forPod =
  (check: (pod: Pod) => string | false | undefined): AdmissionRule =>
  ({ pod }) => {
    const message = check(pod);
    return message === undefined || message === false ? undefined : unsupported(message);
  };

/** A rule over each container, init containers too. */
const forContainers = (check: (container: Container) => string | false | undefined): AdmissionRule =>
  forPod((pod) => {
    for (const container of allContainersOf(pod)) {
      const message = check(container);
      if (message !== undefined && message !== false) return `container "${container.name}" ${message}`;
    }
    return undefined;
  });

/** Without meaning for a guest, and so granted: many charts ask for it. */
const HARMLESS_CAPABILITIES = ['NET_BIND_SERVICE', 'CAP_NET_BIND_SERVICE'];

/** What a Wasm node cannot do for any pod. One rule, one subject. */
export const specRules: readonly AdmissionRule[] = [
  osLabel,
  osField,
  forPod((pod) => pod.spec?.hostPID && 'hostPID is not possible: a guest sees no processes; remove hostPID'),
  forPod((pod) => pod.spec?.hostIPC && 'hostIPC is not possible: a guest has no IPC namespace; remove hostIPC'),
  forPod(
    (pod) =>
      pod.spec?.shareProcessNamespace &&
      'shareProcessNamespace is not possible: a guest sees no processes; remove shareProcessNamespace',
  ),
  sysctls,
  supplementalGroupsPolicy,
  forPod(
    (pod) =>
      (pod.spec?.resourceClaims ?? []).length > 0 &&
      'resourceClaims cannot be met: this node has no devices; remove resourceClaims',
  ),
  forPod((pod) => {
    for (const volume of pod.spec?.volumes ?? []) {
      const why = whyUnsupported(volume);
      if (why !== undefined) return why;
    }
    return undefined;
  }),
  forContainers(
    ({ securityContext }) =>
      securityContext?.privileged &&
      'is privileged, but a guest cannot be given the machine; remove securityContext.privileged',
  ),
  forContainers(({ securityContext }) => {
    const added = (securityContext?.capabilities?.add ?? []).filter((name) => !HARMLESS_CAPABILITIES.includes(name));
    return (
      added.length > 0 &&
      `asks for capabilities (${added.join(', ')}), of which a guest has none; remove securityContext.capabilities.add`
    );
  }),
  forContainers(
    ({ securityContext }) =>
      securityContext?.procMount === 'Unmasked' && 'asks for an unmasked /proc; remove securityContext.procMount',
  ),
  forContainers(
    ({ volumeDevices }) =>
      (volumeDevices ?? []).length > 0 && 'asks for block devices; use volumeMounts in place of volumeDevices',
  ),
  runtimeHandler,
];

function osLabel({ pod, node }: AdmissionInput): Refusal | undefined {
  const wanted = pod.metadata?.labels?.['kubernetes.io/os'];
  if (wanted === undefined || wanted === node.metadata?.labels?.['kubernetes.io/os']) return undefined;
  return {
    reason: 'PodOSSelectorNodeLabelDoesNotMatch',
    message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
  };
}

/**
 * spec.os can only be linux or windows: a node that runs neither has no pod of either. But the API server takes a
 * lifecycle.stopSignal only together with it (KEP-4960), and then linux says no more than whose signals are meant.
 */
function osField({ pod }: AdmissionInput): Refusal | undefined {
  if (pod.spec?.os === undefined) return undefined;
  const hasStopSignal = allContainersOf(pod).some(({ lifecycle }) => lifecycle?.stopSignal !== undefined);
  if (pod.spec.os.name === 'linux' && hasStopSignal) return undefined;
  return {
    reason: 'PodOSNotSupported',
    message: "Failed to admit pod as the OS field doesn't match node OS; this node runs WebAssembly: remove spec.os",
  };
}

function supplementalGroupsPolicy({ pod }: AdmissionInput): Refusal | undefined {
  if (pod.spec?.securityContext?.supplementalGroupsPolicy !== 'Strict') return undefined;
  return {
    reason: 'SupplementalGroupsPolicyNotSupported',
    message: 'SupplementalGroupsPolicy=Strict is not supported in this node',
  };
}

function runtimeHandler({ pod, runtimeHandler: handler, config }: AdmissionInput): Refusal | undefined {
  if (handler === '' || handler in config.runtimeHandlers) return undefined;
  const known = Object.keys(config.runtimeHandlers).join(', ');
  return unsupported(
    `RuntimeClass "${pod.spec?.runtimeClassName ?? ''}" asks for handler "${handler}", which this node does not have; ` +
      `use a RuntimeClass with one of ${known}, or add the handler to runtimeHandlers in the node's configuration`,
  );
}

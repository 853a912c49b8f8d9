/**
 * Every event that this agent records, with the kubelet's own reasons (pkg/kubelet/events/event.go) wherever it has one.
 * docs/reference/events.md lists the same; a test holds the two together.
 */
export const EVENT_REASONS = {
  // images
  Pulling: ['Normal', 'container', 'An image is being pulled.'],
  Pulled: ['Normal', 'container', 'An image was pulled, or is present already.'],
  InspectFailed: ['Warning', 'container', 'The image name does not parse, or the store cannot be read.'],
  ErrImageNeverPull: ['Warning', 'container', 'The image is absent and imagePullPolicy is Never.'],
  FailedToRetrieveImagePullSecret: ['Warning', 'pod', 'A pull secret is missing; the pull is tried without it.'],
  // containers
  Created: ['Normal', 'container', 'A container was made.'],
  Started: ['Normal', 'container', 'A container runs.'],
  OwnHostProcess: ['Normal', 'container', 'The module cannot share a host process, as its runtime class has it; why.'],
  Killing: ['Normal', 'container', 'A container is being ended, and why.'],
  Failed: ['Warning', 'container', 'A pull or a start failed; the message says how.'],
  BackOff: ['Warning', 'container', 'A pull (then of type Normal) or a restart waits for its back-off.'],
  Unhealthy: ['Warning', 'container', 'A probe failed, or could not be made.'],
  ProbeWarning: ['Warning', 'container', 'A probe succeeded, but was redirected to another host.'],
  FailedPostStartHook: ['Warning', 'container', 'The postStart hook failed; the container is ended.'],
  FailedPreStopHook: ['Warning', 'container', 'The preStop hook failed; the container is ended all the same.'],
  LifecycleHTTPFallback: ['Warning', 'pod', 'An HTTPS hook was answered in plain HTTP, and sent again so.'],
  // pods
  FailedMount: ['Warning', 'pod', 'A volume could not be set up; it is tried again.'],
  FailedCreatePodSandBox: ['Warning', 'pod', 'The sandbox could not be made; it is tried again.'],
  SandboxChanged: ['Normal', 'pod', 'The sandbox is gone; it and its containers are made anew.'],
  MissingClusterDNS: [
    'Warning',
    'pod',
    "dnsPolicy ClusterFirst without clusterDNS: the resolver is the node's; also about the node.",
  ],
  DNSConfigForming: ['Warning', 'pod', 'More name servers or searches than a resolver takes; the rest is left out.'],
  FailedKillPod: ['Warning', 'pod', 'The pod could not be ended; it is tried again.'],
  Evicted: ['Warning', 'pod', 'The pod stores more on the node than its limits allow, and is ended as Failed.'],
  DeadlineExceeded: ['Normal', 'pod', 'The pod ran longer than activeDeadlineSeconds.'],
  // pods that this node refuses: also status.reason of the failed pod
  UnsupportedPodSpec: ['Warning', 'pod', 'The spec asks for what a Wasm node cannot give; the message names it.'],
  SysctlForbidden: ['Warning', 'pod', 'The pod sets a sysctl that the kubelet does not take for safe.'],
  PodOSNotSupported: ['Warning', 'pod', 'spec.os names another operating system.'],
  PodOSSelectorNodeLabelDoesNotMatch: ['Warning', 'pod', "The pod's nodeSelector wants another operating system."],
  SupplementalGroupsPolicyNotSupported: ['Warning', 'pod', 'supplementalGroupsPolicy Strict cannot be met here.'],
  OutOfpods: ['Warning', 'pod', 'The node has as many pods as maxPods allows.'],
  OutOfcpu: ['Warning', 'pod', 'The pod requests more cpu than is left; likewise OutOfmemory and other resources.'],
  NodeAffinity: ['Warning', 'pod', "The node does not match the pod's node selector or affinity."],
  NodeName: ['Warning', 'pod', 'The pod names another node.'],
  NodePorts: ['Warning', 'pod', 'A host port of the pod is taken by another pod.'],
  TaintToleration: ['Warning', 'pod', 'The pod does not tolerate a NoExecute taint of the node.'],
  // the node
  Starting: ['Normal', 'node', 'The agent starts.'],
  Rebooted: ['Warning', 'node', 'The machine was started anew since the node was last seen.'],
  PodsShareNodeAddress: ['Normal', 'node', 'Pods have no network of their own; the message says why.'],
  NodeReady: ['Normal', 'node', 'Condition Ready became True.'],
  NodeNotReady: ['Normal', 'node', 'Condition Ready became False.'],
  NodeHasSufficientMemory: ['Normal', 'node', 'Condition MemoryPressure became False.'],
  NodeHasInsufficientMemory: ['Normal', 'node', 'Condition MemoryPressure became True.'],
  NodeHasNoDiskPressure: ['Normal', 'node', 'Condition DiskPressure became False.'],
  NodeHasDiskPressure: ['Normal', 'node', 'Condition DiskPressure became True.'],
  NodeHasSufficientPID: ['Normal', 'node', 'Condition PIDPressure became False.'],
  NodeHasInsufficientPID: ['Normal', 'node', 'Condition PIDPressure became True.'],
  NodeSchedulable: ['Normal', 'node', 'The node was uncordoned.'],
  NodeNotSchedulable: ['Normal', 'node', 'The node was cordoned.'],
} as const satisfies Readonly<Record<string, readonly ['Normal' | 'Warning', 'container' | 'pod' | 'node', string]>>;

export type EventReason = keyof typeof EVENT_REASONS | `OutOf${string}`;

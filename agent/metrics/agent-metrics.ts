import type { MetricFamily } from './exposition.ts';
import { Counter, exponentialBuckets, Gauge, Histogram, type Instrument } from './instruments.ts';

/** pkg/kubelet/metrics/metrics.go: podStartupDurationBuckets and imagePullDurationBuckets, in seconds. */
const POD_START_BUCKETS = [
  0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600,
];
const IMAGE_PULL_BUCKETS = [1, 5, 10, 20, 30, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600];
/** client-go's, as component-base registers them. */
const REQUEST_BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60];

/**
 * What the agent counts and measures of its own work, under the kubelet's names where it is the same thing
 * (pkg/kubelet/metrics/metrics.go, pkg/kubelet/prober, pkg/kubelet/server/metrics, component-base). One for each agent:
 * nothing is global, so that several agents in one process do not count for one another.
 */
export const createAgentMetrics = () => ({
  nodeName: new Gauge({ name: 'kubelet_node_name', labels: ['node'], help: 'The name of the node; always 1.' }),
  buildInfo: new Gauge({
    name: 'wasmlet_build_info',
    labels: ['version', 'kubernetes_version', 'node_version'],
    help: 'Releases of wasmlet, of the Kubernetes that it follows, and of Node.js; always 1.',
  }),
  cgroupVersion: new Gauge({
    name: 'kubelet_cgroup_version',
    labels: [],
    help: 'Version of the control groups of the machine; 0 where there are none.',
  }),
  containersPerPod: new Histogram(
    { name: 'kubelet_containers_per_pod_count', labels: [], help: 'Containers in the pods that came to this node.' },
    exponentialBuckets(1, 2, 5),
  ),
  podWorkerStartDuration: new Histogram({
    name: 'kubelet_pod_worker_start_duration_seconds',
    labels: [],
    help: 'Seconds from seeing a pod for the first time to the first work on it.',
  }),
  podWorkerDuration: new Histogram({
    name: 'kubelet_pod_worker_duration_seconds',
    labels: ['operation_type'],
    help: 'Seconds that one step of a pod took: create, sync, kill or terminated.',
  }),
  podStartDuration: new Histogram(
    {
      name: 'kubelet_pod_start_duration_seconds',
      labels: [],
      help: 'Seconds from seeing a pod for the first time to its phase Running.',
    },
    POD_START_BUCKETS,
  ),
  startedPods: new Counter({
    name: 'kubelet_started_pods_total',
    labels: [],
    help: 'Pod sandboxes that were to be started.',
  }),
  startedPodsErrors: new Counter({
    name: 'kubelet_started_pods_errors_total',
    labels: [],
    help: 'Pod sandboxes that could not be started.',
  }),
  runPodSandboxDuration: new Histogram({
    name: 'kubelet_run_podsandbox_duration_seconds',
    labels: ['runtime_handler'],
    help: 'Seconds that the runtime took to make a pod sandbox.',
  }),
  runPodSandboxErrors: new Counter({
    name: 'kubelet_run_podsandbox_errors_total',
    labels: ['runtime_handler'],
    help: 'Pod sandboxes that the runtime could not make.',
  }),
  startedContainers: new Counter({
    name: 'kubelet_started_containers_total',
    labels: ['container_type'],
    help: 'Containers that were to be started: container, init_container or ephemeral_container.',
  }),
  startedContainersErrors: new Counter({
    name: 'kubelet_started_containers_errors_total',
    labels: ['container_type', 'code'],
    help: 'Containers that could not be started, by the reason that their status shows.',
  }),
  admissionRejections: new Counter({
    name: 'kubelet_admission_rejections_total',
    labels: ['reason'],
    help: 'Pods that this node has refused.',
  }),
  evictions: new Counter({
    name: 'kubelet_evictions',
    labels: ['eviction_signal'],
    help: 'Pods that were evicted, by what they had too much of.',
  }),
  runtimeOperations: new Counter({
    name: 'kubelet_runtime_operations_total',
    labels: ['operation_type'],
    help: "Calls of the runtime and of the image service, by CRI's operation.",
  }),
  runtimeOperationsErrors: new Counter({
    name: 'kubelet_runtime_operations_errors_total',
    labels: ['operation_type'],
    help: 'Calls of the runtime and of the image service that failed.',
  }),
  runtimeOperationsDuration: new Histogram(
    {
      name: 'kubelet_runtime_operations_duration_seconds',
      labels: ['operation_type'],
      help: 'Seconds that calls of the runtime and of the image service took.',
    },
    exponentialBuckets(0.005, 2.5, 14),
  ),
  imagePullDuration: new Histogram(
    {
      name: 'kubelet_image_pull_duration_seconds',
      labels: ['image_size_in_bytes'],
      help: 'Seconds that it took to pull an image, waiting for its turn included.',
    },
    IMAGE_PULL_BUCKETS,
  ),
  httpRequests: new Counter({
    name: 'kubelet_http_requests_total',
    labels: ['method', 'path', 'server_type', 'long_running'],
    help: "Requests to the node's API.",
  }),
  httpRequestsDuration: new Histogram({
    name: 'kubelet_http_requests_duration_seconds',
    labels: ['method', 'path', 'server_type', 'long_running'],
    help: "Seconds that requests to the node's API took.",
  }),
  httpInflightRequests: new Gauge({
    name: 'kubelet_http_inflight_requests',
    labels: ['method', 'path', 'server_type', 'long_running'],
    help: "Requests to the node's API that are being served.",
  }),
  restClientRequests: new Counter({
    name: 'rest_client_requests_total',
    labels: ['code', 'method', 'host'],
    help: 'Requests to the API server, by status code; <error> where there was no answer.',
  }),
  restClientRequestDuration: new Histogram(
    {
      name: 'rest_client_request_duration_seconds',
      labels: ['verb', 'host'],
      help: "Seconds until the API server's answer began, waiting for the client's own rate limit not included.",
    },
    REQUEST_BUCKETS,
  ),
});

export type AgentMetrics = ReturnType<typeof createAgentMetrics>;

/** What /metrics/probes shows (pkg/kubelet/prober/prober_manager.go); the series of a pod go with it. */
export const createProbeMetrics = () => ({
  probes: new Counter({
    name: 'prober_probe_total',
    labels: ['probe_type', 'result', 'container', 'pod', 'namespace', 'pod_uid'],
    help: 'Probes, by their result: successful or failed.',
  }),
  probeDuration: new Histogram({
    name: 'prober_probe_duration_seconds',
    labels: ['probe_type', 'container', 'pod', 'namespace'],
    help: 'Seconds that successful probes took.',
  }),
});

export type ProbeMetrics = ReturnType<typeof createProbeMetrics>;

export const familiesOf = (metrics: AgentMetrics | ProbeMetrics): MetricFamily[] =>
  Object.values<Instrument>(metrics).map((instrument) => instrument.family());

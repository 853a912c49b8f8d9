import type { Pod } from '../../../kube/types.ts';

/** Defaults of pods (pkg/apis/core/v1/defaults.go): only what is not set is set. */

type Fields = Record<string, unknown>;
type Probe = Fields & { httpGet?: Fields; grpc?: Fields };
type Handler = { httpGet?: Fields } | undefined;
type Container = Fields & {
  image?: string;
  ports?: Fields[];
  env?: (Fields & { valueFrom?: { fieldRef?: Fields } })[];
  resources?: { limits?: Record<string, string>; requests?: Record<string, string> };
  lifecycle?: { postStart?: Handler; preStop?: Handler };
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  startupProbe?: Probe;
};
type Volume = Fields & {
  secret?: Fields;
  configMap?: Fields;
  downwardAPI?: Fields & { items?: { fieldRef?: Fields }[] };
  projected?: Fields & {
    sources?: { serviceAccountToken?: Fields; downwardAPI?: { items?: { fieldRef?: Fields }[] } }[];
  };
  hostPath?: Fields;
};

/** 0644, as JSON has it. */
const FILE_MODE = 420;
const HOUR_SECONDS = 3600;

const fill = (target: object | undefined, values: Fields): void => {
  if (!target) return;
  for (const [key, value] of Object.entries(values)) (target as Fields)[key] ??= value;
};

/** Sets what the pod leaves open. */
export function setPodDefaults(pod: Pod): void {
  const spec = (pod.spec ??= { containers: [] });
  fill(spec, {
    dnsPolicy: 'ClusterFirst',
    restartPolicy: 'Always',
    securityContext: {},
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
    enableServiceLinks: true,
  });
  const containers = [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])];
  for (const container of containers as unknown as Container[]) containerDefaults(container, spec.hostNetwork === true);
  for (const volume of (spec.volumes ?? []) as unknown as Volume[]) volumeDefaults(volume);
}

function containerDefaults(container: Container, hostNetwork: boolean): void {
  fill(container, {
    imagePullPolicy: pullPolicyOf(container.image ?? ''),
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    resources: {},
  });
  for (const port of container.ports ?? []) {
    fill(port, { protocol: 'TCP', ...(hostNetwork ? { hostPort: port['containerPort'] } : {}) });
  }
  for (const { valueFrom } of container.env ?? []) fill(valueFrom?.fieldRef, { apiVersion: 'v1' });
  requestLimits(container);
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) probeDefaults(probe);
  for (const handler of Object.values(container.lifecycle ?? {})) fill(handler?.httpGet, { path: '/', scheme: 'HTTP' });
}

/** What a container may have and does not ask for, it asks for. */
function requestLimits({ resources }: Container): void {
  if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests };
}

function probeDefaults(probe: Probe | undefined): void {
  fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
  fill(probe?.httpGet, { path: '/', scheme: 'HTTP' });
  fill(probe?.grpc, { service: '' });
}

/** A tag 'latest', said or meant, is pulled each time. */
function pullPolicyOf(image: string): string {
  const name = image.slice(image.lastIndexOf('/') + 1);
  if (name.includes('@')) return 'IfNotPresent';
  const tag = name.includes(':') ? name.slice(name.indexOf(':') + 1) : 'latest';
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function volumeDefaults(volume: Volume): void {
  // A volume without a source is an empty folder.
  if (Object.keys(volume).every((key) => key === 'name')) volume['emptyDir'] = {};
  fill(volume.secret, { defaultMode: FILE_MODE });
  fill(volume.configMap, { defaultMode: FILE_MODE });
  fill(volume.downwardAPI, { defaultMode: FILE_MODE });
  fill(volume.projected, { defaultMode: FILE_MODE });
  fill(volume.hostPath, { type: '' });
  for (const { fieldRef } of volume.downwardAPI?.items ?? []) fill(fieldRef, { apiVersion: 'v1' });
  for (const { serviceAccountToken, downwardAPI } of volume.projected?.sources ?? []) {
    fill(serviceAccountToken, { expirationSeconds: HOUR_SECONDS });
    for (const { fieldRef } of downwardAPI?.items ?? []) fill(fieldRef, { apiVersion: 'v1' });
  }
}

import { parseReference } from '../../../images/reference.ts';
import type { Container, Pod, PodSpec, Volume } from '../../kube/types.ts';
import { specOf } from '../spec.ts';

type Probe = NonNullable<Container['livenessProbe']>;
type Lifecycle = NonNullable<Container['lifecycle']>;
type HttpGet = NonNullable<Probe['httpGet']>;
type Resources = NonNullable<Container['resources']>;

/** What the API server fills in where a pod says nothing, which a manifest does not pass (pkg/apis/core/v1, defaults.go). */
export function withDefaults(pod: Pod): Pod {
  const { containers, initContainers, volumes, ...spec } = specOf(pod);
  const hostNetwork = spec.hostNetwork === true;
  const complete = (container: Container): Container => containerDefaults(container, hostNetwork);
  const completed: PodSpec = {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    securityContext: {},
    enableServiceLinks: true,
    ...spec,
    ...(spec.resources ? { resources: requestsFromLimits(spec.resources) } : {}),
    ...(initContainers ? { initContainers: initContainers.map(complete) } : {}),
    ...(volumes ? { volumes: volumes.map(volumeDefaults) } : {}),
    containers: containers.map(complete),
  };
  return { ...pod, spec: completed };
}

function containerDefaults(container: Container, hostNetwork: boolean): Container {
  const { ports, env, lifecycle, livenessProbe, readinessProbe, startupProbe, ...rest } = container;
  return {
    imagePullPolicy: pullPolicyOf(container.image ?? ''),
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    ...rest,
    resources: requestsFromLimits(container.resources ?? {}),
    ...(ports ? { ports: ports.map((port) => portDefaults(port, hostNetwork)) } : {}),
    ...(env ? { env: env.map(envDefaults) } : {}),
    ...(lifecycle ? { lifecycle: lifecycleDefaults(lifecycle) } : {}),
    ...(livenessProbe ? { livenessProbe: probeDefaults(livenessProbe) } : {}),
    ...(readinessProbe ? { readinessProbe: probeDefaults(readinessProbe) } : {}),
    ...(startupProbe ? { startupProbe: probeDefaults(startupProbe) } : {}),
  };
}

function pullPolicyOf(image: string): string {
  try {
    return parseReference(image).tag === 'latest' ? 'Always' : 'IfNotPresent';
  } catch {
    // Waits with InvalidImageName later.
    return 'IfNotPresent';
  }
}

function requestsFromLimits({ limits, requests, ...rest }: Resources): Resources {
  if (!limits) return { ...rest, ...(requests ? { requests } : {}) };
  return { ...rest, limits, requests: { ...limits, ...requests } };
}

type Port = NonNullable<Container['ports']>[number];

function portDefaults(port: Port, hostNetwork: boolean): Port {
  const hostPort = port.hostPort ?? 0;
  return {
    ...port,
    protocol: port.protocol ?? 'TCP',
    ...(hostNetwork && hostPort === 0 ? { hostPort: port.containerPort } : {}),
  };
}

type EnvVar = NonNullable<Container['env']>[number];

function envDefaults(variable: EnvVar): EnvVar {
  const { valueFrom } = variable;
  if (!valueFrom?.fieldRef) return variable;
  return { ...variable, valueFrom: { ...valueFrom, fieldRef: { apiVersion: 'v1', ...valueFrom.fieldRef } } };
}

function lifecycleDefaults({ postStart, preStop, ...rest }: Lifecycle): Lifecycle {
  return {
    ...rest,
    ...(postStart ? { postStart: actionDefaults(postStart) } : {}),
    ...(preStop ? { preStop: actionDefaults(preStop) } : {}),
  };
}

/** Zero is no value for these. */
function probeDefaults(probe: Probe): Probe {
  return {
    ...actionDefaults(probe),
    timeoutSeconds: probe.timeoutSeconds || 1,
    periodSeconds: probe.periodSeconds || 10,
    successThreshold: probe.successThreshold || 1,
    failureThreshold: probe.failureThreshold || 3,
    ...(probe.grpc ? { grpc: { service: '', ...probe.grpc } } : {}),
  };
}

function actionDefaults<T extends { httpGet?: HttpGet }>(action: T): T {
  const { httpGet } = action;
  if (!httpGet) return action;
  return { ...action, httpGet: { ...httpGet, path: httpGet.path || '/', scheme: httpGet.scheme || 'HTTP' } };
}

const FILE_MODE = 0o644;

function volumeDefaults(volume: Volume): Volume {
  const { name, hostPath, downwardAPI, projected, ...others } = volume;
  if (hostPath) return { ...others, name, hostPath: { type: '', ...hostPath } };
  if (downwardAPI) return { ...others, name, downwardAPI: { defaultMode: FILE_MODE, ...downwardAPI } };
  if (projected) return { ...others, name, projected: { defaultMode: FILE_MODE, ...projected } };
  return Object.keys(others).length === 0 ? { name, emptyDir: {} } : { name, ...others };
}

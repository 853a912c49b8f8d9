import { isDeepStrictEqual } from 'node:util';
import { parseQuantity } from '../../../config/quantity.ts';
import type { Container, Pod, PodSpec } from '../../../kube/types.ts';
import { field, type Cause } from '../../api/errors.ts';
import { dataKeyProblem, labelProblem } from '../names.ts';

/** What pods have to be (pkg/apis/core/validation): all that the node relies on, in the API server's words. */

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'];
const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const DNS_POLICIES = ['ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const MAX_PORT = 65_535;
const RANGE = `must be between 1 and ${MAX_PORT}, inclusive`;

type Source = Readonly<Record<string, unknown>>;

const supported = (path: string, value: string | undefined, values: readonly string[]): Cause[] =>
  value === undefined || values.includes(value) ? [] : [field.notSupported(path, value, values)];

export function validatePod(pod: Pod): Cause[] {
  const { spec } = pod;
  if (!spec) return [field.required('spec.containers')];
  const names = new Set<string>();
  const volumes = new Set((spec.volumes ?? []).map(({ name }) => name));
  const containers = (list: readonly Container[], path: string) =>
    list.flatMap((container, index) => containerCauses(container, `${path}[${index}]`, { names, volumes }));
  return [
    ...volumeCauses(spec),
    ...(spec.containers.length === 0 ? [field.required('spec.containers')] : []),
    ...containers(spec.containers, 'spec.containers'),
    ...containers(spec.initContainers ?? [], 'spec.initContainers'),
    ...containers(spec.ephemeralContainers ?? [], 'spec.ephemeralContainers'),
    ...supported('spec.restartPolicy', spec.restartPolicy, RESTART_POLICIES),
    ...supported('spec.dnsPolicy', spec.dnsPolicy, DNS_POLICIES),
    ...deadlineCauses(spec),
  ];
}

function deadlineCauses({ activeDeadlineSeconds: seconds }: PodSpec): Cause[] {
  if (seconds === undefined || (seconds >= 1 && seconds <= 2 ** 31 - 1)) return [];
  return [field.invalid('spec.activeDeadlineSeconds', seconds, 'must be between 1 and 2147483647, inclusive')];
}

function volumeCauses(spec: PodSpec): Cause[] {
  const seen = new Set<string>();
  return (spec.volumes ?? []).flatMap((volume, index) => {
    const path = `spec.volumes[${index}]`;
    const causes = nameCauses(volume.name, `${path}.name`, seen);
    const sources = Object.keys(volume as unknown as Source).filter((key) => key !== 'name');
    for (const key of sources.slice(1))
      causes.push(field.forbidden(`${path}.${key}`, 'may not specify more than 1 volume type'));
    return causes;
  });
}

/** Of a name that must be there, a DNS label, and its list's only one. */
function nameCauses(name: string | undefined, path: string, seen: Set<string>): Cause[] {
  if (name === undefined || name === '') return [field.required(path)];
  const problem = labelProblem(name);
  if (problem !== undefined) return [field.invalid(path, name, problem)];
  if (seen.has(name)) return [field.duplicate(path, name)];
  seen.add(name);
  return [];
}

function containerCauses(
  container: Container,
  path: string,
  { names, volumes }: { names: Set<string>; volumes: ReadonlySet<string> },
): Cause[] {
  const { image } = container;
  return [
    ...nameCauses(container.name, `${path}.name`, names),
    ...(image === undefined || image === '' ? [field.required(`${path}.image`)] : []),
    ...(image !== undefined && image !== '' && image !== image.trim()
      ? [field.invalid(`${path}.image`, image, 'must not have leading or trailing whitespace')]
      : []),
    ...supported(`${path}.imagePullPolicy`, container.imagePullPolicy, PULL_POLICIES),
    ...portCauses(container, path),
    ...envCauses(container, path),
    ...mountCauses(container, path, volumes),
    ...resourceCauses(container, path),
    ...probeCauses(container, path),
  ];
}

const inRange = (port: number | undefined): boolean => port !== undefined && port >= 1 && port <= MAX_PORT;

function portCauses({ ports = [] }: Container, path: string): Cause[] {
  const names = new Set<string>();
  return ports.flatMap(({ name, containerPort, hostPort, protocol }, index) => {
    const at = `${path}.ports[${index}]`;
    const causes: Cause[] = [];
    if (name !== undefined && names.has(name)) causes.push(field.duplicate(`${at}.name`, name));
    if (name !== undefined) names.add(name);
    if (!containerPort) causes.push(field.required(`${at}.containerPort`));
    else if (!inRange(containerPort)) causes.push(field.invalid(`${at}.containerPort`, containerPort, RANGE));
    if (hostPort && !inRange(hostPort)) causes.push(field.invalid(`${at}.hostPort`, hostPort, RANGE));
    return [...causes, ...supported(`${at}.protocol`, protocol, PROTOCOLS)];
  });
}

function envCauses({ env = [] }: Container, path: string): Cause[] {
  return env.flatMap(({ name, value, valueFrom }, index) => {
    const at = `${path}.env[${index}]`;
    const causes: Cause[] = [];
    if (name === '') causes.push(field.required(`${at}.name`));
    else if (/[=\0]/.test(name)) {
      const detail = "a valid environment variable name must consist only of printable ASCII characters other than '='";
      causes.push(field.invalid(`${at}.name`, name, detail));
    }
    if (valueFrom && value !== undefined && value !== '') {
      causes.push(field.invalid(`${at}.valueFrom`, '', 'may not be specified when `value` is not empty'));
    }
    const key = valueFrom?.configMapKeyRef ?? valueFrom?.secretKeyRef;
    if (key?.key === '') causes.push(field.required(`${at}.valueFrom.key`));
    else if (key && dataKeyProblem(key.key) !== undefined) {
      causes.push(field.invalid(`${at}.valueFrom.key`, key.key, dataKeyProblem(key.key) ?? ''));
    }
    return causes;
  });
}

function mountCauses({ volumeMounts = [] }: Container, path: string, volumes: ReadonlySet<string>): Cause[] {
  const paths = new Set<string>();
  return volumeMounts.flatMap(({ name, mountPath, subPath }, index) => {
    const at = `${path}.volumeMounts[${index}]`;
    const causes: Cause[] = [];
    if (!name) causes.push(field.required(`${at}.name`));
    else if (!volumes.has(name)) causes.push(field.notFound(`${at}.name`, name));
    if (!mountPath) causes.push(field.required(`${at}.mountPath`));
    if (paths.has(mountPath)) causes.push(field.invalid(`${at}.mountPath`, mountPath, 'must be unique'));
    paths.add(mountPath);
    if (subPath?.startsWith('/')) causes.push(field.invalid(`${at}.subPath`, subPath, 'must be a relative path'));
    if (subPath?.split('/').includes('..'))
      causes.push(field.invalid(`${at}.subPath`, subPath, "must not contain '..'"));
    return causes;
  });
}

function resourceCauses({ resources }: Container, path: string): Cause[] {
  const { limits = {}, requests = {} } = resources ?? {};
  return Object.entries(requests).flatMap(([name, request]) => {
    const limit = limits[name];
    const at = `${path}.resources.requests`;
    const asked = parseQuantity(request).nanos;
    if (asked < 0n) {
      return [field.invalid(`${at}[${name}]`, request, 'must be greater than or equal to 0')];
    }
    if (limit === undefined || asked <= parseQuantity(limit).nanos) return [];
    return [field.invalid(at, request, `must be less than or equal to ${name} limit of ${limit}`)];
  });
}

const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc'] as const;

function probeCauses(container: Container, path: string): Cause[] {
  return (['livenessProbe', 'readinessProbe', 'startupProbe'] as const).flatMap((name) => {
    const probe = container[name];
    if (!probe) return [];
    const handlers = HANDLERS.filter((handler) => probe[handler]);
    if (handlers.length === 0) return [field.required(`${path}.${name}`, 'must specify a handler type')];
    const more = handlers
      .slice(1)
      .map((handler) => field.forbidden(`${path}.${name}.${handler}`, 'may not specify more than 1 handler type'));
    if (name === 'readinessProbe' || (probe.successThreshold ?? 1) === 1) return more;
    return [...more, field.invalid(`${path}.${name}.successThreshold`, probe.successThreshold, 'must be 1')];
  });
}

const UPDATABLE = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',');

/** What an update of a pod may not do: its spec is as good as fixed (ValidatePodUpdate). */
export function validatePodUpdate(pod: Pod, old: Pod): Cause[] {
  const { spec, spec: { containers = [], initContainers = [] } = {} } = pod;
  const before = old.spec ?? { containers: [] };
  const causes = validatePod(pod);
  if (
    containers.length !== before.containers.length ||
    initContainers.length !== (before.initContainers ?? []).length
  ) {
    const which = containers.length === before.containers.length ? 'spec.initContainers' : 'spec.containers';
    return [...causes, field.forbidden(which, 'pod updates may not add or remove containers')];
  }
  const kept = (before.tolerations ?? []).every((toleration) =>
    (spec?.tolerations ?? []).some((candidate) => isDeepStrictEqual(candidate, toleration)),
  );
  if (!kept) {
    const detail = 'existing toleration can not be modified except its tolerationSeconds';
    causes.push(field.forbidden('spec.tolerations', detail));
  }
  const munged = withUpdatable(pod.spec, before);
  if (isDeepStrictEqual(munged, before)) return causes;
  return [...causes, field.forbidden('spec', `pod updates may not change fields other than ${UPDATABLE}`)];
}

/** A spec with what may change put back to what it was. */
function withUpdatable(spec: PodSpec | undefined, before: PodSpec): object {
  const imagesOf = (now: readonly Container[], old: readonly Container[]) =>
    now.map((item, index) => ({ ...item, image: old[index]?.image }));
  const munged = {
    ...spec,
    containers: imagesOf(spec?.containers ?? [], before.containers),
    ...(spec?.initContainers ? { initContainers: imagesOf(spec.initContainers, before.initContainers ?? []) } : {}),
  };
  for (const name of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates'] as const) {
    Reflect.deleteProperty(munged, name);
    if (before[name] !== undefined) Object.assign(munged, { [name]: before[name] });
  }
  return munged;
}

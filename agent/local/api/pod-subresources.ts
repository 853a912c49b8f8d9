import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '../../kube/types.ts';
import type { DeleteOptions } from '../registry/deletion.ts';
import { timestamp } from '../registry/metadata.ts';
import type { Place, Registry } from '../registry/registry.ts';
import { setPodDefaults } from '../resources/pods/defaults.ts';
import { pods } from '../resources/pods/pods.ts';
import { validatePod } from '../resources/pods/validate.ts';
import { isObject } from '../schema/decode.ts';
import type { ApiObject } from '../storage/object.ts';
import { decodeObject, isDryRun, readJson, readObject } from './body.ts';
import { badRequest, conflict, field, invalid } from './errors.ts';
import { sendJson, type Exchange } from './exchange.ts';
import { sendObject } from './read.ts';
import type { RequestInfo } from './request-info.ts';
import { patchOf } from './write.ts';

const BINDING = { group: '', version: 'v1', kind: 'Binding', schema: 'io.k8s.api.core.v1.Binding' } as const;
const EVICTION = { group: 'policy', version: 'v1', kind: 'Eviction', schema: 'io.k8s.api.policy.v1.Eviction' } as const;

const podPlace = ({ namespace, name }: Pick<RequestInfo, 'namespace' | 'name'>): Place => ({
  resource: pods,
  namespace,
  name,
});

async function readAs(exchange: Exchange, kind: typeof BINDING | typeof EVICTION): Promise<ApiObject> {
  const body = await readJson(exchange);
  if (!isObject(body)) throw badRequest(`the request's body is no object of kind ${kind.kind}`);
  return decodeObject(exchange, kind, body);
}

/**
 * Binds a pod to a node (pkg/registry/core/pod/storage, BindingREST).
 * @throws StatusError NotFound, Conflict
 */
export function bindPod(registry: Registry, place: Omit<Place, 'resource'>, node: string, dryRun = false): void {
  const { name } = place;
  const refuse = (why: string) => conflict({ ...pods, plural: 'pods/binding' }, name, why);
  registry.update(
    { ...place, resource: pods },
    'free',
    (object) => {
      const pod = object as unknown as Pod;
      if (object.metadata.deletionTimestamp) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
      if (pod.spec?.nodeName)
        throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`);
      if ((pod.spec?.schedulingGates ?? []).length > 0) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
      if (pod.spec) pod.spec.nodeName = node;
      setCondition(pod, { status: 'True' });
      return object;
    },
    { dryRun },
  );
}

/** Sets the condition PodScheduled; its time changes with its status alone. */
export function setCondition(
  pod: Pod,
  condition: { status: 'True' | 'False'; reason?: string; message?: string },
): void {
  const status = (pod.status ??= {});
  const others = (status.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
  const before = status.conditions?.find(({ type }) => type === 'PodScheduled');
  const since = before?.status === condition.status ? before.lastTransitionTime : undefined;
  const observed = pod.metadata?.generation;
  status.conditions = [
    ...others,
    {
      type: 'PodScheduled',
      lastProbeTime: null as unknown as string,
      lastTransitionTime: since ?? timestamp(),
      ...condition,
      ...(observed === undefined ? {} : { observedGeneration: observed }),
    },
  ];
}

export async function binding(registry: Registry, info: RequestInfo, exchange: Exchange): Promise<void> {
  const object = await readAs(exchange, BINDING);
  const { kind, name = '' } = (object['target'] ?? {}) as { kind?: string; name?: string };
  const cause =
    kind !== undefined && kind !== '' && kind !== 'Node'
      ? field.notSupported('target.kind', kind, ['Node', '<empty>'])
      : undefined;
  const causes = [...(cause ? [cause] : []), ...(name === '' ? [field.required('target.name')] : [])];
  if (causes.length > 0) throw invalid({ ...BINDING, plural: 'bindings' }, info.name, causes);
  bindPod(registry, info, name, isDryRun(exchange.query));
  sendJson(exchange, 201, success());
}

const success = (): object => ({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 });

/** There are no disruption budgets here, so an eviction is a deletion. */
export async function eviction(registry: Registry, info: RequestInfo, exchange: Exchange): Promise<void> {
  const object = await readAs(exchange, EVICTION);
  const options = (object['deleteOptions'] ?? {}) as Omit<DeleteOptions, 'dryRun'>;
  registry.delete(podPlace(info), { ...options, dryRun: isDryRun(exchange.query) });
  sendJson(exchange, 201, success());
}

/** Containers for debugging are added to a pod that runs, and stay as they are. */
export async function ephemeralContainers(registry: Registry, info: RequestInfo, exchange: Exchange): Promise<void> {
  const place = podPlace(info);
  if (exchange.request.method === 'GET') {
    sendObject(exchange, pods, registry.get(place), 200);
    return;
  }
  const change =
    exchange.request.method === 'PATCH'
      ? await patchOf(exchange, pods)
      : await readObject(exchange, pods).then((object) => () => object);
  const updated = registry.update(
    place,
    'free',
    (current) => withContainersOf(current, change(structuredClone(current))),
    {
      dryRun: isDryRun(exchange.query),
    },
  );
  sendObject(exchange, pods, updated, 200);
}

function withContainersOf(current: ApiObject, wished: ApiObject): ApiObject {
  const pod = current as unknown as Pod;
  const wanted = wished as unknown as Pod;
  setPodDefaults(wanted);
  const before = pod.spec?.ephemeralContainers ?? [];
  const after = wanted.spec?.ephemeralContainers ?? [];
  const kept = before.every((old) => after.some((item) => isDeepStrictEqual(item, old)));
  const path = 'spec.ephemeralContainers';
  if (!kept) {
    const detail = 'existing ephemeral containers may not be changed or removed';
    throw invalid(pods, current.metadata.name ?? '', [field.forbidden(path, detail)]);
  }
  if (!pod.spec) return current;
  pod.spec.ephemeralContainers = after;
  if (after.length > before.length) current.metadata.generation = (current.metadata.generation ?? 0) + 1;
  if (wished.metadata.resourceVersion) current.metadata.resourceVersion = wished.metadata.resourceVersion;
  const causes = validatePod(pod);
  if (causes.length > 0) throw invalid(pods, current.metadata.name ?? '', causes);
  return current;
}

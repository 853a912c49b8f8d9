import { WasmletError } from '../../base/errors.ts';
import type { ObjectCache } from '../kube/objects.ts';
import type { Reflector } from '../kube/reflector.ts';
import type { Container, EnvVar, Pod, Service } from '../kube/types.ts';
import type { EnvironmentMaker, PodAddresses } from './environment.ts';
import { expand, mappingFor } from './expansion.ts';
import { createKeySource, textAt, type KeySource, type Keys } from './key-source.ts';
import { podFieldValue } from './pod-field.ts';
import { isStaticPod } from './pod-source.ts';
import { resourceValueForVariable } from './resource-field.ts';
import { serviceVariables } from './service-variables.ts';

export interface EnvironmentMakerOptions {
  readonly objects: ObjectCache;
  readonly services: Pick<Reflector<Service>, 'list' | 'synced'>;
  /** Where the master service is: 'default'. */
  readonly masterServiceNamespace: string;
  readonly node: {
    /** Quantities as in the Node's status, which limits that are not set default to. */
    allocatable(): Readonly<Record<string, string>>;
  };
  /** How long a pod that comes before the first list of services waits for it. Default 10 s. */
  readonly servicesTimeoutMs?: number;
}

type ValueSource = NonNullable<EnvVar['valueFrom']>;
type EnvFrom = NonNullable<Container['envFrom']>[number];

/** What one call of make works with. */
interface Context {
  readonly pod: Pod;
  readonly container: Container;
  readonly addresses: PodAddresses;
  readonly source: KeySource;
  readonly allocatable: () => Readonly<Record<string, string>>;
}

/** Makes containers' environments; see EnvironmentMaker. */
export function createEnvironmentMaker(options: EnvironmentMakerOptions): EnvironmentMaker {
  const { objects, services, masterServiceNamespace, node, servicesTimeoutMs = 10_000 } = options;
  return {
    async make(pod, container, addresses, signal) {
      // A static pod must run without the API.
      if (!isStaticPod(pod)) await servicesRead(services.synced, servicesTimeoutMs, signal);
      const namespace = pod.metadata?.namespace ?? 'default';
      const fromServices = serviceVariables({
        services: services.list(),
        namespace,
        enableServiceLinks: pod.spec?.enableServiceLinks ?? true,
        masterServiceNamespace,
      });
      const source = createKeySource(objects, namespace, signal);
      const context: Context = { pod, container, addresses, source, allocatable: () => node.allocatable() };
      const declared = new Map<string, string>();
      for (const envFrom of container.envFrom ?? []) await addAll(declared, envFrom, source);
      const mapping = mappingFor(declared, fromServices);
      for (const variable of container.env ?? []) {
        const value = variable.value
          ? expand(variable.value, mapping)
          : variable.valueFrom
            ? await sourcedValue(variable.name, variable.valueFrom, context)
            : '';
        if (value !== undefined) declared.set(variable.name, value);
      }
      const all = new Map([...declared, ...[...fromServices].filter(([name]) => !declared.has(name))]);
      return { envs: [...all].map(([name, value]) => ({ name, value })) };
    },
  };
}

/**
 * Waits for the first list of services: KUBERNETES_SERVICE_HOST must be there, and a variable cannot be added later.
 * The kubelet fails at once here and comes back; a short wait spares the pod the detour.
 */
async function servicesRead(synced: Promise<void>, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const { promise: ended, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const message = 'services have not yet been read at least once, cannot construct envvars';
    reject(new WasmletError('Unavailable', message));
  }, timeoutMs);
  const onAbort = () => {
    reject(new WasmletError('Cancelled', 'making the environment was given up', { cause: signal.reason }));
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await Promise.race([ended, synced]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

async function addAll(declared: Map<string, string>, envFrom: EnvFrom, source: KeySource): Promise<void> {
  const kind = envFrom.configMapRef ? 'configmap' : 'secret';
  const reference = envFrom.configMapRef ?? envFrom.secretRef;
  if (!reference) return;
  const name = reference.name ?? '';
  const data = await (kind === 'configmap' ? source.configMap(name) : source.secret(name));
  if (!data) {
    if (reference.optional) return;
    throw notFound(kind, name);
  }
  for (const key of [...data.keys()].sort()) declared.set((envFrom.prefix ?? '') + key, textAt(data, key) ?? '');
}

const notFound = (kind: string, name: string) => new WasmletError('InvalidArgument', `${kind} "${name}" not found`);

/** The value from another source; undefined leaves the variable out. */
async function sourcedValue(name: string, from: ValueSource, context: Context): Promise<string | undefined> {
  const { pod, container, source } = context;
  if (from.fieldRef) return podFieldValue(pod, from.fieldRef, context.addresses);
  if (from.resourceFieldRef) {
    return resourceValueForVariable(pod, container, from.resourceFieldRef, context.allocatable());
  }
  if (from.configMapKeyRef) return keyValue('configmap', from.configMapKeyRef, context, source.configMap);
  if (from.secretKeyRef) return keyValue('secret', from.secretKeyRef, context, source.secret);
  if (from.fileKeyRef) {
    throw new WasmletError(
      'InvalidArgument',
      `variable "${name}" comes from a file (fileKeyRef), which wasmlet nodes do not offer; use a ConfigMap or a Secret`,
    );
  }
  return '';
}

async function keyValue(
  kind: 'configmap' | 'secret',
  reference: { readonly name?: string; readonly key: string; readonly optional?: boolean },
  { pod }: Context,
  get: (name: string) => Promise<Keys | undefined>,
): Promise<string | undefined> {
  const name = reference.name ?? '';
  const data = await get(name);
  const value = data && textAt(data, reference.key);
  if (value !== undefined || reference.optional) return value;
  if (!data) throw notFound(kind, name);
  const object = `${kind === 'configmap' ? 'ConfigMap' : 'Secret'} ${pod.metadata?.namespace ?? 'default'}/${name}`;
  throw new WasmletError('InvalidArgument', `couldn't find key ${reference.key} in ${object}`);
}

import { isDeepStrictEqual } from 'node:util';
import type { Pod, PodSpec } from '../../kube/types.ts';
import { forbidden, type StatusError } from '../api/errors.ts';
import { runtimeClasses, serviceAccounts } from '../resources/cluster.ts';
import { pods } from '../resources/pods/pods.ts';
import { randomSuffix } from '../registry/metadata.ts';
import type { ApiObject } from '../storage/object.ts';
import type { Store } from '../storage/store.ts';

/** What the API server's admission plug-ins make of a new pod (plugin/pkg/admission/…). */

const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Marks the pods that stand for static ones: the node alone makes them. */
const MIRROR = 'kubernetes.io/config.mirror';
/** An hour, and seven seconds by which the node knows a token of its own volume. */
const TOKEN_SECONDS = 3607;
const EVICT_AFTER_SECONDS = 300;
const PRIORITIES: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};

type Spec = PodSpec;
type Toleration = NonNullable<PodSpec['tolerations']>[number];

/** @throws StatusError Forbidden */
export function admitPod(store: Store, object: ApiObject): void {
  const pod = object as unknown as Pod;
  const { spec } = pod;
  if (!spec) return;
  const refuse = (why: string): StatusError => forbidden(pods, pod.metadata?.name ?? '', why);
  const isMirror = pod.metadata?.annotations?.[MIRROR] !== undefined;
  if (!isMirror) admitServiceAccount(store, pod, spec, refuse);
  admitPriority(spec, refuse);
  admitRuntimeClass(store, spec, refuse);
  if (!isMirror) admitTolerations(spec);
}

type Refuse = (why: string) => StatusError;

/** plugin/pkg/admission/serviceaccount */
function admitServiceAccount(store: Store, { metadata }: Pod, spec: Spec, refuse: Refuse): void {
  const name = (spec.serviceAccountName ??= spec.serviceAccount ?? 'default');
  spec.serviceAccount = name;
  const namespace = metadata?.namespace ?? '';
  const account = store.get({ resource: serviceAccounts.storage, namespace, name });
  if (!account) {
    throw refuse(`error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`);
  }
  const { imagePullSecrets, automountServiceAccountToken } = account as {
    imagePullSecrets?: Spec['imagePullSecrets'];
    automountServiceAccountToken?: boolean;
  };
  if ((spec.imagePullSecrets ?? []).length === 0 && imagePullSecrets) spec.imagePullSecrets = imagePullSecrets;
  if (spec.automountServiceAccountToken ?? automountServiceAccountToken ?? true) mountToken(spec);
}

function mountToken(spec: Spec): void {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const lacking = containers.filter(({ volumeMounts = [] }) => !volumeMounts.some((m) => m.mountPath === TOKEN_PATH));
  if (lacking.length === 0) return;
  const present = spec.volumes?.find(({ name }) => name.startsWith('kube-api-access-'))?.name;
  const volume = present ?? `kube-api-access-${randomSuffix()}`;
  for (const container of lacking) {
    const mount = { name: volume, readOnly: true, mountPath: TOKEN_PATH };
    container.volumeMounts = [...(container.volumeMounts ?? []), mount];
  }
  if (present !== undefined) return;
  const sources = [
    { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    {
      downwardAPI: {
        items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
      },
    },
  ];
  spec.volumes = [...(spec.volumes ?? []), { name: volume, projected: { sources, defaultMode: 420 } }];
}

/** plugin/pkg/admission/priority */
function admitPriority(spec: Spec, refuse: Refuse): void {
  const { priorityClassName: name = '' } = spec;
  const priority = name === '' ? 0 : PRIORITIES[name];
  if (priority === undefined) throw refuse(`no PriorityClass with name ${name} was found`);
  if (spec.priority !== undefined && spec.priority !== priority) {
    throw refuse(
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`,
    );
  }
  spec.priority = priority;
  spec.preemptionPolicy ??= 'PreemptLowerPriority';
}

/** plugin/pkg/admission/runtimeclass */
function admitRuntimeClass(store: Store, spec: Spec, refuse: Refuse): void {
  const { runtimeClassName: name } = spec;
  if (name === undefined) {
    if (spec.overhead)
      throw refuse('pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead');
    return;
  }
  const found = store.get({ resource: runtimeClasses.storage, namespace: '', name });
  if (!found) throw refuse(`pod rejected: RuntimeClass "${name}" not found`);
  const { overhead, scheduling } = found as {
    overhead?: { podFixed?: Record<string, string> };
    scheduling?: { nodeSelector?: Record<string, string>; tolerations?: Toleration[] };
  };
  setOverhead(spec, overhead?.podFixed, refuse);
  setNodeSelector(spec, scheduling?.nodeSelector ?? {}, refuse);
  const tolerations = spec.tolerations ?? [];
  const more = (scheduling?.tolerations ?? []).filter(
    (one) => !tolerations.some((other) => isDeepStrictEqual(one, other)),
  );
  if (more.length > 0) spec.tolerations = [...tolerations, ...more];
}

function setOverhead(spec: Spec, overhead: Record<string, string> | undefined, refuse: Refuse): void {
  if (!overhead) return;
  if (spec.overhead && !isDeepStrictEqual(spec.overhead, overhead)) {
    throw refuse("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  }
  spec.overhead = overhead;
}

function setNodeSelector(spec: Spec, selector: Readonly<Record<string, string>>, refuse: Refuse): void {
  for (const [key, value] of Object.entries(selector)) {
    const own = spec.nodeSelector?.[key];
    if (own !== undefined && own !== value) {
      throw refuse(
        `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${own}`,
      );
    }
    spec.nodeSelector = { ...spec.nodeSelector, [key]: value };
  }
}

/** plugin/pkg/admission/defaulttolerationseconds */
function admitTolerations(spec: Spec): void {
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const tolerated = (spec.tolerations ?? []).some(
      (toleration) =>
        (toleration.key === key || !toleration.key) && (!toleration.effect || toleration.effect === 'NoExecute'),
    );
    if (tolerated) continue;
    const toleration = { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: EVICT_AFTER_SECONDS };
    spec.tolerations = [...(spec.tolerations ?? []), toleration];
  }
}

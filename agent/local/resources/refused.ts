import { StatusError } from '../api/errors.ts';

/** A kind that is named in discovery, so that a manifest with it is refused by what it is and not by a riddle. */
export interface RefusedKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

const namespaced = (group: string, version: string, kinds: Readonly<Record<string, string>>): RefusedKind[] =>
  Object.entries(kinds).map(([kind, plural]) => ({ group, version, kind, plural, namespaced: true }));

export const REFUSED: readonly RefusedKind[] = [
  ...namespaced('', 'v1', {
    PersistentVolumeClaim: 'persistentvolumeclaims',
    ReplicationController: 'replicationcontrollers',
  }),
  ...namespaced('apps', 'v1', {
    DaemonSet: 'daemonsets',
    Deployment: 'deployments',
    ReplicaSet: 'replicasets',
    StatefulSet: 'statefulsets',
  }),
  ...namespaced('batch', 'v1', { CronJob: 'cronjobs', Job: 'jobs' }),
  ...namespaced('networking.k8s.io', 'v1', { Ingress: 'ingresses', NetworkPolicy: 'networkpolicies' }),
  ...namespaced('rbac.authorization.k8s.io', 'v1', { Role: 'roles', RoleBinding: 'rolebindings' }),
  {
    group: 'apiextensions.k8s.io',
    version: 'v1',
    kind: 'CustomResourceDefinition',
    plural: 'customresourcedefinitions',
    namespaced: false,
  },
];

const ADVICE =
  'Kubernetes itself does that: point the same manifests at a cluster, for example one that kind or k3s brings up';

/** What a request for one of them is answered with. */
export function refusal({ group, plural, kind }: Pick<RefusedKind, 'group' | 'plural' | 'kind'>): StatusError {
  const name = group === '' ? plural : `${plural}.${group}`;
  const message = `${name} are not served by wasmlet's local mode, which runs pods alone. ${ADVICE}`;
  return new StatusError(405, 'MethodNotAllowed', message, { ...(group === '' ? {} : { group }), kind });
}

/** Of something that a kind is not asked for here. @param what begins the sentence: 'server-side apply' */
export const notHere = (what: string): StatusError =>
  new StatusError(405, 'MethodNotAllowed', `${what} is not part of wasmlet's local mode. ${ADVICE}`, {});

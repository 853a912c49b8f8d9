import { isDeepStrictEqual } from 'node:util';
import type { Pod } from '../../../kube/types.ts';
import { qosClassOf } from '../../../pods/qos.ts';
import type { ApiObject } from '../../storage/object.ts';
import { textAt } from '../columns.ts';
import { ALL_VERBS, type Resource } from '../resource.ts';
import { podColumns } from './columns.ts';
import { setPodDefaults } from './defaults.ts';
import { validatePod, validatePodUpdate } from './validate.ts';

const asPod = (object: ApiObject): Pod => object;

/** Field selectors of pods (pkg/registry/core/pod/strategy.go, ToSelectableFields). */
const FIELDS = {
  'spec.nodeName': ['spec', 'nodeName'],
  'spec.restartPolicy': ['spec', 'restartPolicy'],
  'spec.schedulerName': ['spec', 'schedulerName'],
  'spec.serviceAccountName': ['spec', 'serviceAccountName'],
  'status.phase': ['status', 'phase'],
  'status.podIP': ['status', 'podIP'],
  'status.nominatedNodeName': ['status', 'nominatedNodeName'],
} as const;

function prepareForCreate(object: ApiObject): void {
  const pod = asPod(object);
  object.metadata.generation = 1;
  // The class is that of the spec alone: what the client said of the status does not count.
  delete pod.status;
  pod.status = { phase: 'Pending', qosClass: qosClassOf(pod) };
}

function prepareForUpdate(object: ApiObject, old: ApiObject): void {
  object['status'] = old['status'];
  if (old.metadata.generation === undefined) delete object.metadata.generation;
  else object.metadata.generation = old.metadata.generation;
  if (!isDeepStrictEqual(object['spec'], old['spec'])) {
    object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  }
}

function prepareForStatusUpdate(object: ApiObject, old: ApiObject): void {
  object['spec'] = old['spec'];
  const status = (object['status'] ??= {}) as NonNullable<Pod['status']>;
  const qosClass = asPod(old).status?.qosClass;
  if (status.qosClass === undefined && qosClass !== undefined) status.qosClass = qosClass;
}

/** @returns seconds until the pod is to be gone: the node says when it is (podStrategy.CheckGracefulDelete) */
function gracePeriod(object: ApiObject, asked: number | undefined): number {
  const { spec, status } = asPod(object);
  if ((spec?.nodeName ?? '') === '' || status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0;
  const period = asked ?? spec?.terminationGracePeriodSeconds ?? 0;
  return period < 0 ? 1 : period;
}

export const pods: Resource = {
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  verbs: ALL_VERBS,
  storage: 'pods',
  schema: 'io.k8s.api.core.v1.Pod',
  hasStatus: true,
  fields: Object.fromEntries(
    Object.entries(FIELDS).map(([name, path]) => [name, (object: ApiObject) => textAt(object, ...path)]),
  ),
  columns: podColumns,
  strategy: {
    defaults: (object) => setPodDefaults(asPod(object)),
    prepareForCreate,
    prepareForUpdate,
    prepareForStatusUpdate,
    validate: (object) => validatePod(asPod(object)),
    validateUpdate: (object, old) => validatePodUpdate(asPod(object), asPod(old)),
    gracePeriod,
  },
};

import { AGE, NAME, at, textAt } from './columns.ts';
import { ALL_VERBS, type Column, type Resource } from './resource.ts';
import type { ApiObject } from '../storage/object.ts';
import type { Node } from '../../kube/types.ts';

/** Namespaces, Nodes, RuntimeClasses, ServiceAccounts, Leases, Services. Columns: pkg/printers/internalversion. */

const core = { group: '', version: 'v1', verbs: ALL_VERBS } as const;
/** The status of an object is written through its subresource alone. */
const keepStatus = (object: ApiObject, old: ApiObject): void => {
  if (old['status'] === undefined) delete object['status'];
  else object['status'] = old['status'];
};
/** And through it nothing else is. */
const keepAllButStatus = (object: ApiObject, old: ApiObject): void => {
  for (const key of Object.keys(object)) if (!['status', 'metadata'].includes(key)) object[key] = old[key];
  object['spec'] = old['spec'];
};

export const namespaces: Resource = {
  ...core,
  kind: 'Namespace',
  plural: 'namespaces',
  shortNames: ['ns'],
  namespaced: false,
  // One at a time: there is no deletecollection of namespaces.
  verbs: ALL_VERBS.filter((verb) => verb !== 'deletecollection'),
  storage: 'namespaces',
  schema: 'io.k8s.api.core.v1.Namespace',
  hasStatus: true,
  names: 'label',
  fields: { 'status.phase': (object) => textAt(object, 'status', 'phase') },
  columns: [NAME, { name: 'Status', cell: (object) => textAt(object, 'status', 'phase') }, AGE],
  strategy: {
    defaults: ({ metadata }) => {
      metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name ?? '' };
    },
    prepareForCreate: (object) => {
      object['spec'] = { finalizers: ['kubernetes'] };
      object['status'] = { phase: 'Active' };
    },
    prepareForUpdate: (object, old) => {
      object['spec'] = old['spec'];
      keepStatus(object, old);
    },
    prepareForStatusUpdate: keepAllButStatus,
  },
};

export const serviceAccounts: Resource = {
  ...core,
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  shortNames: ['sa'],
  namespaced: true,
  storage: 'serviceaccounts',
  schema: 'io.k8s.api.core.v1.ServiceAccount',
  hasStatus: false,
  columns: [NAME, AGE],
  strategy: {},
};

const asNode = (object: ApiObject): Node => object;

function nodeStatus(object: ApiObject): string {
  const { spec, status } = asNode(object);
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  const word = ready === undefined ? 'Unknown' : ready === 'True' ? 'Ready' : 'NotReady';
  return spec?.unschedulable === true ? `${word},SchedulingDisabled` : word;
}

function nodeRoles({ metadata }: ApiObject): string {
  const prefix = 'node-role.kubernetes.io/';
  const roles = Object.entries(metadata.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(prefix)) return [key.slice(prefix.length)];
    return key === 'kubernetes.io/role' ? [value] : [];
  });
  return [...new Set(roles.filter((role) => role !== ''))].sort().join(',') || '<none>';
}

const nodeAddress =
  (type: string) =>
  (object: ApiObject): string =>
    asNode(object).status?.addresses?.find((address) => address.type === type)?.address ?? '<none>';

const nodeInfo = (object: ApiObject, key: string): string => textAt(object, 'status', 'nodeInfo', key) || '<unknown>';

function kernelOf(object: ApiObject): string {
  const architecture = textAt(object, 'status', 'nodeInfo', 'architecture');
  return nodeInfo(object, 'kernelVersion') + (architecture === '' ? '' : ` (${architecture})`);
}

const wide = (name: string, cell: Column['cell']): Column => ({ name, wide: true, cell });

export const nodes: Resource = {
  ...core,
  kind: 'Node',
  plural: 'nodes',
  shortNames: ['no'],
  namespaced: false,
  storage: 'nodes',
  schema: 'io.k8s.api.core.v1.Node',
  hasStatus: true,
  fields: { 'spec.unschedulable': (object) => textAt(object, 'spec', 'unschedulable') || 'false' },
  columns: [
    NAME,
    { name: 'Status', cell: nodeStatus },
    { name: 'Roles', cell: nodeRoles },
    AGE,
    {
      name: 'Version',
      cell: (object) => textAt(object, 'status', 'nodeInfo', 'kubeletVersion'),
    },
    wide('Internal-IP', nodeAddress('InternalIP')),
    wide('External-IP', nodeAddress('ExternalIP')),
    wide('OS-Image', (object) => nodeInfo(object, 'osImage')),
    wide('Kernel-Version', kernelOf),
    wide('Container-Runtime', (object) => nodeInfo(object, 'containerRuntimeVersion')),
  ],
  strategy: {
    defaults: (object) => {
      object['spec'] ??= {};
    },
    prepareForUpdate: keepStatus,
    prepareForStatusUpdate: keepAllButStatus,
  },
};

export const runtimeClasses: Resource = {
  group: 'node.k8s.io',
  version: 'v1',
  kind: 'RuntimeClass',
  plural: 'runtimeclasses',
  namespaced: false,
  verbs: ALL_VERBS,
  storage: 'runtimeclasses.node.k8s.io',
  schema: 'io.k8s.api.node.v1.RuntimeClass',
  hasStatus: false,
  columns: [
    NAME,
    {
      name: 'Handler',
      cell: (object) => textAt(object, 'handler'),
    },
    AGE,
  ],
  strategy: {
    validateUpdate: (object, old) =>
      object['handler'] === old['handler']
        ? []
        : [
            {
              reason: 'FieldValueInvalid',
              field: 'handler',
              message: `Invalid value: ${JSON.stringify(object['handler'])}: field is immutable`,
            },
          ],
  },
};

export const leases: Resource = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  verbs: ALL_VERBS,
  storage: 'leases.coordination.k8s.io',
  schema: 'io.k8s.api.coordination.v1.Lease',
  hasStatus: false,
  columns: [
    NAME,
    {
      name: 'Holder',
      cell: (object) => textAt(object, 'spec', 'holderIdentity'),
    },
    AGE,
  ],
  strategy: { allowsCreateOnUpdate: true },
};

/** Nothing proxies here, so there are none; nodes ask for them all the same. */
export const services: Resource = {
  ...core,
  kind: 'Service',
  plural: 'services',
  shortNames: ['svc'],
  namespaced: true,
  verbs: ['get', 'list', 'watch'],
  storage: 'services',
  schema: 'io.k8s.api.core.v1.Service',
  hasStatus: false,
  columns: [NAME, { name: 'Type', cell: (object) => String(at(object, 'spec', 'type')) }, AGE],
  strategy: {},
};

import type { KubeObject, ObjectMeta } from '../../kube/types.ts';

/** An object as it is stored and sent: JSON on the wire, with whatever fields its kind has. */
export interface ApiObject extends KubeObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

/** Which object is meant: `resource` is 'pods' or 'leases.coordination.k8s.io'; `namespace` is '' for cluster scope. */
export interface ObjectKey {
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}

/** One entry of the revision log. */
export interface Change {
  readonly revision: number;
  readonly key: ObjectKey;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** The object after the change; of one that was deleted its last state. Both with the change's resourceVersion. */
  readonly object: ApiObject;
  /** The object before; undefined when there was none. */
  readonly previous: ApiObject | undefined;
}

import type { Cause } from '../api/errors.ts';
import type { SelectableFields } from '../api/selectors.ts';
import type { ApiObject } from '../storage/object.ts';

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

export const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** One column of `kubectl get`, as k8s.io/kubernetes' pkg/printers/internalversion has it, but for descriptions: kubectl shows none. */
export interface Column {
  readonly name: string;
  /** Shown with `-o wide` alone. */
  readonly wide?: boolean;
  readonly type?: 'string' | 'integer';
  readonly cell: (object: ApiObject) => string | number;
}

/**
 * What is a kind's own about writing it. Functions change the object that they are given, which is nobody else's; those
 * that are left out do nothing. Source: pkg/registry/<group>/<kind>/strategy.go, pkg/apis/<group>/validation.
 */
export interface Strategy {
  /** Values of fields that are not set (pkg/apis/<group>/<version>/defaults.go). */
  readonly defaults?: (object: ApiObject) => void;
  readonly prepareForCreate?: (object: ApiObject) => void;
  /** Of an update of all but the status. */
  readonly prepareForUpdate?: (object: ApiObject, old: ApiObject) => void;
  readonly prepareForStatusUpdate?: (object: ApiObject, old: ApiObject) => void;
  readonly validate?: (object: ApiObject) => readonly Cause[];
  readonly validateUpdate?: (object: ApiObject, old: ApiObject) => readonly Cause[];
  /** How long an object that is deleted may take to end, in seconds; without it, it goes at once. */
  readonly gracePeriod?: (object: ApiObject, asked: number | undefined) => number;
  /** Whether an update may create what does not exist. */
  readonly allowsCreateOnUpdate?: boolean;
}

/** One kind as it is served: everything that the server does with it goes by this. */
export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly Verb[];
  /** Where it is stored: two versions of one kind share their objects. */
  readonly storage: string;
  /** Name of its OpenAPI schema. */
  readonly schema: string;
  readonly hasStatus: boolean;
  /** The form of names: a DNS subdomain unless said otherwise. */
  readonly names?: 'label' | 'path';
  readonly fields?: SelectableFields;
  readonly columns: readonly Column[];
  readonly strategy: Strategy;
  /** Where it is stored in another version: from it, and to it. */
  readonly fromStorage?: (object: ApiObject) => ApiObject;
  readonly toStorage?: (object: ApiObject) => ApiObject;
}

/** 'v1', 'coordination.k8s.io/v1' */
export const apiVersionOf = ({ group, version }: Pick<Resource, 'group' | 'version'>): string =>
  group === '' ? version : `${group}/${version}`;

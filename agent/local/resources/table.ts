import { leases, namespaces, nodes, runtimeClasses, serviceAccounts, services } from './cluster.ts';
import { configMaps, secrets } from './data.ts';
import { coreEvents, newEvents } from './events.ts';
import { pods } from './pods/pods.ts';
import type { Resource } from './resource.ts';

/** Every kind that is served. */
export const RESOURCES: readonly Resource[] = [
  configMaps,
  coreEvents,
  namespaces,
  nodes,
  pods,
  secrets,
  serviceAccounts,
  services,
  leases,
  newEvents,
  runtimeClasses,
];

/** The resource of a path. */
export const findResource = (group: string, version: string, plural: string): Resource | undefined =>
  RESOURCES.find(
    (candidate) => candidate.group === group && candidate.version === version && candidate.plural === plural,
  );

/** A subresource as discovery lists it. */
export interface Subresource {
  readonly of: string;
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

const ofPods = (name: string, kind: string, verbs: readonly string[], group = '', version = 'v1'): Subresource => ({
  of: 'pods',
  name,
  group,
  version,
  kind,
  verbs,
});

/** Beside the `status` of the kinds that have one. */
export const SUBRESOURCES: readonly Subresource[] = [
  ofPods('attach', 'PodAttachOptions', ['create', 'get']),
  ofPods('binding', 'Binding', ['create']),
  ofPods('ephemeralcontainers', 'Pod', ['get', 'patch', 'update']),
  ofPods('eviction', 'Eviction', ['create'], 'policy'),
  ofPods('exec', 'PodExecOptions', ['create', 'get']),
  ofPods('log', 'Pod', ['get']),
  ofPods('portforward', 'PodPortForwardOptions', ['create', 'get']),
  ofPods('proxy', 'PodProxyOptions', ['create', 'delete', 'get', 'patch', 'update']),
  {
    of: 'nodes',
    name: 'proxy',
    group: '',
    version: 'v1',
    kind: 'NodeProxyOptions',
    verbs: ['create', 'delete', 'get', 'patch', 'update'],
  },
  {
    of: 'serviceaccounts',
    name: 'token',
    group: 'authentication.k8s.io',
    version: 'v1',
    kind: 'TokenRequest',
    verbs: ['create'],
  },
];

/** Requests that are answered and not stored. */
export const REVIEWS = [
  { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenReview', plural: 'tokenreviews' },
  { group: 'authentication.k8s.io', version: 'v1', kind: 'SelfSubjectReview', plural: 'selfsubjectreviews' },
  { group: 'authorization.k8s.io', version: 'v1', kind: 'SubjectAccessReview', plural: 'subjectaccessreviews' },
  { group: 'authorization.k8s.io', version: 'v1', kind: 'SelfSubjectAccessReview', plural: 'selfsubjectaccessreviews' },
] as const;

import type { UserInfo } from '../../server/auth/user.ts';

/** What is asked for, in the words of authorization.k8s.io. */
export interface Attributes {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'update', 'patch', 'delete'];

/** What a node does (plugin/pkg/auth/authorizer/node, bootstrappolicy.NodeRules): resource, with group, and verbs. */
const NODE_RULES: Readonly<Record<string, readonly string[]>> = {
  nodes: [...READ, 'create', 'update', 'patch'],
  'nodes/status': ['update', 'patch'],
  pods: [...READ, 'create', 'delete'],
  'pods/status': ['update', 'patch'],
  'pods/eviction': ['create'],
  services: READ,
  configmaps: READ,
  secrets: READ,
  serviceaccounts: ['get'],
  'serviceaccounts/token': ['create'],
  events: ['create', 'update', 'patch'],
  'events.events.k8s.io': ['create', 'update', 'patch'],
  'runtimeclasses.node.k8s.io': READ,
  'leases.coordination.k8s.io': ['get', ...WRITE],
  'tokenreviews.authentication.k8s.io': ['create'],
  'subjectaccessreviews.authorization.k8s.io': ['create'],
};

/** What every user may do: ask about himself (the role system:basic-user). */
const OWN_REVIEWS = ['selfsubjectaccessreviews', 'selfsubjectreviews'];

const isAdmin = ({ groups }: UserInfo): boolean => groups.includes('system:masters');
const isNode = ({ groups, name }: UserInfo): boolean =>
  groups.includes('system:nodes') && name.startsWith('system:node:');

/**
 * Three kinds of users: who has the administrator's certificate, the node, and service accounts, which have no rights
 * of their own, as in a cluster where no role was given to them.
 */
export function isAllowed(user: UserInfo, { verb, group, resource, subresource }: Attributes): boolean {
  if (isAdmin(user)) return true;
  if (verb === 'create' && OWN_REVIEWS.includes(resource)) return true;
  if (!isNode(user)) return false;
  const name = (group === '' ? resource : `${resource}.${group}`) + (subresource === '' ? '' : `/${subresource}`);
  return NODE_RULES[name]?.includes(verb) ?? false;
}

/** Why a request is refused, in the API server's words. */
export function refusalText(user: UserInfo, { verb, group, resource, subresource, namespace }: Attributes): string {
  const what = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  return `User "${user.name}" cannot ${verb} resource "${what}" in API group "${group}" ${where}`;
}

/** What a request to the node's API asks to do, in the words of Kubernetes' authorisation. */
export interface RequestAttributes {
  /** '' for methods that Kubernetes has no verb for: only a rule with '*' allows them. */
  readonly verb: string;
  /** Subresources of the node, the most specific first: any one that is allowed is enough. */
  readonly subresources: readonly [string, ...string[]];
}

const VERBS: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Paths whose subresource is their own (pkg/kubelet/server/auth.go). */
const OWN_SUBRESOURCES: readonly (readonly [path: string, subresource: string])[] = [
  ['/stats', 'stats'],
  ['/metrics', 'metrics'],
  // As the other log subresources are named (pods/log).
  ['/logs', 'log'],
  ['/checkpoint', 'checkpoint'],
  ['/statusz', 'statusz'],
  ['/flagz', 'configz'],
];

/** Paths that a finer subresource than proxy opens too (KEP-2862, KubeletFineGrainedAuthz). */
const FINE_SUBRESOURCES: readonly (readonly [path: string, subresource: string])[] = [
  ['/pods', 'pods'],
  ['/healthz', 'healthz'],
  ['/configz', 'configz'],
  ['/runningpods', 'pods'],
];

/** Paths that run something in a container, whatever their HTTP method. */
const EXECUTING = ['/exec', '/attach', '/run', '/portForward'];

const isUnder = (path: string, root: string): boolean => path === root || path.startsWith(`${root}/`);

const find = (path: string, table: typeof OWN_SUBRESOURCES): string | undefined =>
  table.find(([root]) => isUnder(path, root))?.[1];

/**
 * Maps a request to the kubelet's verb and subresources (pkg/kubelet/server/auth.go, GetRequestAttributes). One thing
 * is stricter: a WebSocket opens with GET, and the kubelet lets `get nodes/proxy` execute by it; here exec, attach, run
 * and port-forward are `create` whatever their method.
 * @param path as the routes see it, still percent-encoded
 */
export function authorizationAttributes(method: string, path: string): RequestAttributes {
  const verb = EXECUTING.some((root) => isUnder(path, root)) ? 'create' : (VERBS[method] ?? '');
  const own = find(path, OWN_SUBRESOURCES) ?? 'proxy';
  const fine = find(path, FINE_SUBRESOURCES);
  return { verb, subresources: fine === undefined ? [own] : [fine, own] };
}

import { authenticated, type UserInfo } from '../../server/auth/user.ts';
import { isAllowed, refusalText, type Attributes } from '../auth/authorize.ts';
import { ISSUER, type BoundObject, type Tokens } from '../auth/tokens.ts';
import { timestamp } from '../registry/metadata.ts';
import type { Registry } from '../registry/registry.ts';
import { nodes, serviceAccounts } from '../resources/cluster.ts';
import { pods } from '../resources/pods/pods.ts';
import type { ApiObject } from '../storage/object.ts';
import { decodeObject, readJson } from './body.ts';
import { badRequest, conflict, field, invalid, notFound } from './errors.ts';
import { sendJson, type Exchange } from './exchange.ts';
import type { RequestInfo } from './request-info.ts';

/** What is asked and answered, and not stored: tokens, and reviews of who may do what. */

export interface ReviewContext {
  readonly registry: Registry;
  readonly tokens: Tokens;
}

type Review = (object: ApiObject, context: ReviewContext & { user: UserInfo }) => object;

const SCHEMAS: Readonly<Record<string, string>> = {
  TokenReview: 'io.k8s.api.authentication.v1.TokenReview',
  SelfSubjectReview: 'io.k8s.api.authentication.v1.SelfSubjectReview',
  SubjectAccessReview: 'io.k8s.api.authorization.v1.SubjectAccessReview',
  SelfSubjectAccessReview: 'io.k8s.api.authorization.v1.SelfSubjectAccessReview',
};

interface AccessSpec {
  readonly user?: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly resourceAttributes?: Partial<Attributes>;
}

function access(user: UserInfo, { resourceAttributes }: AccessSpec): object {
  // Paths that are no resources: those with the administrator's certificate alone.
  const {
    verb = '',
    group = '',
    resource = '',
    subresource = '',
    namespace = '',
    name = '',
  } = resourceAttributes ?? {};
  const attributes = { verb, group, resource, subresource, namespace, name };
  const allowed = isAllowed(user, attributes);
  return { allowed, ...(allowed ? {} : { reason: refusalText(user, attributes) }) };
}

const infoOf = ({ name, uid, groups, extra }: UserInfo): object => ({
  username: name,
  ...(uid === '' ? {} : { uid }),
  groups,
  ...(Object.keys(extra).length === 0 ? {} : { extra }),
});

const REVIEWS: Readonly<Record<string, Review>> = {
  TokenReview: (object, { tokens }) => {
    const { token = '', audiences } = (object['spec'] ?? {}) as { token?: string; audiences?: string[] };
    const known = tokens.authenticate(token, audiences ?? [ISSUER]);
    if (!known) return { user: {}, error: '[invalid bearer token]' };
    return { authenticated: true, user: infoOf(known.user), audiences: known.audiences };
  },
  SelfSubjectReview: (_object, { user }) => ({ userInfo: infoOf(user) }),
  SubjectAccessReview: (object) => {
    const spec = (object['spec'] ?? {}) as AccessSpec;
    const { user: name = '', uid = '', groups = [] } = spec;
    return access(authenticated({ name, uid, groups, extra: {} }), spec);
  },
  SelfSubjectAccessReview: (object, { user }) => access(user, object['spec'] ?? {}),
};

export async function review(
  context: ReviewContext,
  kind: { readonly group: string; readonly version: string; readonly kind: string },
  exchange: Exchange,
): Promise<void> {
  const body = ((await readJson(exchange)) ?? {}) as Record<string, unknown>;
  const object = decodeObject(exchange, { ...kind, schema: SCHEMAS[kind.kind] ?? '' }, body);
  const status = REVIEWS[kind.kind]?.(object, { ...context, user: exchange.user }) ?? {};
  const metadata = {
    ...object.metadata,
    ...(kind.kind === 'SelfSubjectReview' ? { creationTimestamp: timestamp() } : {}),
  };
  sendJson(exchange, 201, { ...object, metadata, status });
}

const TOKEN_REQUEST = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  plural: 'tokenrequests',
  schema: 'io.k8s.api.authentication.v1.TokenRequest',
} as const;
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;
/** A pod's token of 3607 s is for an hour; the API server's rule for old clients gives such a token a year. */
const DEFAULT_SECONDS = 3600;

interface TokenSpec {
  readonly audiences?: readonly string[];
  readonly expirationSeconds?: number;
  readonly boundObjectRef?: { readonly kind?: string; readonly name?: string; readonly uid?: string };
}

/** serviceaccounts/token (pkg/registry/core/serviceaccount/storage/token.go). */
export async function createToken(
  { registry, tokens }: ReviewContext,
  { namespace, name }: RequestInfo,
  exchange: Exchange,
): Promise<void> {
  const body = ((await readJson(exchange)) ?? {}) as Record<string, unknown>;
  const request = decodeObject(exchange, TOKEN_REQUEST, body);
  const spec = (request['spec'] ?? {}) as TokenSpec;
  const seconds = spec.expirationSeconds ?? DEFAULT_SECONDS;
  const path = 'spec.expirationSeconds';
  if (seconds < MIN_SECONDS) {
    throw invalid(TOKEN_REQUEST, name, [
      field.invalid(path, seconds, 'may not specify a duration less than 10 minutes'),
    ]);
  }
  if (seconds > MAX_SECONDS) {
    throw invalid(TOKEN_REQUEST, name, [
      field.invalid(path, seconds, 'may not specify a duration larger than 2^32 seconds'),
    ]);
  }
  const account = registry.get({ resource: serviceAccounts, namespace, name });
  const { bound, node } = boundObject(registry, namespace, name, spec.boundObjectRef);
  const { token, expires } = tokens.issue({ account, audiences: spec.audiences ?? [], seconds, bound, node });
  sendJson(exchange, 201, {
    ...request,
    metadata: { name, namespace, creationTimestamp: timestamp() },
    spec: {
      ...spec,
      audiences: spec.audiences ?? [ISSUER],
      expirationSeconds: seconds,
      boundObjectRef: spec.boundObjectRef ?? null,
    },
    status: { token, expirationTimestamp: timestamp(expires) },
  });
}

interface Bound {
  readonly bound?: BoundObject;
  readonly node?: { readonly name: string; readonly uid: string };
}

function boundObject(
  registry: Registry,
  namespace: string,
  account: string,
  reference: TokenSpec['boundObjectRef'],
): Bound {
  if (!reference) return {};
  const { kind = '', name = '', uid = '' } = reference;
  if (kind !== 'Pod')
    throw badRequest(`cannot bind token for serviceaccount to object type ${kind}: only Pods are served here`);
  const pod = registry.find({ resource: pods, namespace, name });
  if (!pod) throw notFound(pods, name);
  const { serviceAccountName, nodeName } = (pod['spec'] ?? {}) as { serviceAccountName?: string; nodeName?: string };
  checkBound({ name, uid, account }, { serviceAccountName, uid: pod.metadata.uid });
  const node = nodeName === undefined ? undefined : registry.find({ resource: nodes, namespace: '', name: nodeName });
  return {
    bound: { kind: 'Pod', name, uid: pod.metadata.uid ?? '' },
    ...(node ? { node: { name: nodeName ?? '', uid: node.metadata.uid ?? '' } } : {}),
  };
}

/** That a token is bound to the pod that was meant, and to one of this account. @throws StatusError */
function checkBound(
  asked: { readonly name: string; readonly uid: string; readonly account: string },
  pod: { readonly serviceAccountName: string | undefined; readonly uid: string | undefined },
): void {
  const { name, uid, account } = asked;
  if (pod.serviceAccountName !== account) {
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
    );
  }
  if (uid === '' || uid === pod.uid) return;
  const why =
    `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted ` +
    'and then recreated';
  throw conflict(pods, name, why);
}

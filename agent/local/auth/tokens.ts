import { createHash, createPrivateKey, createPublicKey, randomUUID, sign, verify, type KeyObject } from 'node:crypto';
import { authenticated, type UserInfo } from '../../server/auth/user.ts';
import { nodes, serviceAccounts } from '../resources/cluster.ts';
import { pods } from '../resources/pods/pods.ts';
import type { ApiObject } from '../storage/object.ts';
import type { Store } from '../storage/store.ts';

/** Who says so in a token, and whom a token is for that names nobody: as kubeadm sets it up. */
export const ISSUER = 'https://kubernetes.default.svc.cluster.local';

/** What a token is bound to besides its account: it ends with it. */
export interface BoundObject {
  readonly kind: 'Pod' | 'Node' | 'Secret';
  readonly name: string;
  readonly uid: string;
}

export interface TokenOptions {
  readonly account: ApiObject;
  readonly audiences: readonly string[];
  readonly seconds: number;
  readonly bound?: BoundObject | undefined;
  /** Of the pod that it is bound to. */
  readonly node?: { readonly name: string; readonly uid: string } | undefined;
}

interface Reference {
  readonly name: string;
  readonly uid: string;
}

interface Claims {
  readonly aud: readonly string[];
  readonly exp: number;
  readonly iat: number;
  readonly iss: string;
  readonly jti: string;
  readonly nbf: number;
  readonly sub: string;
  readonly 'kubernetes.io': {
    readonly namespace: string;
    readonly serviceaccount: Reference;
    readonly pod?: Reference;
    readonly node?: Reference;
    readonly secret?: Reference;
  };
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const referenceOf = ({ metadata }: ApiObject): Reference => ({ name: metadata.name ?? '', uid: metadata.uid ?? '' });

/** Signs and checks the tokens of service accounts: JWTs with ES256 (pkg/serviceaccount/claims.go, RFC 7519). */
export class Tokens {
  readonly #key: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #keyId: string;
  readonly #store: Store;

  /** @param keyPem private key, EC P-256 */
  constructor(keyPem: string, store: Store) {
    this.#key = createPrivateKey(keyPem);
    this.#publicKey = createPublicKey(this.#key);
    this.#keyId = createHash('sha256')
      .update(this.#publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64url');
    this.#store = store;
  }

  /** @returns the token, and when it ends in milliseconds */
  issue({ account, audiences, seconds, bound, node }: TokenOptions): { token: string; expires: number } {
    const now = Math.floor(Date.now() / 1000);
    const { namespace = '', name = '' } = account.metadata;
    const claims: Claims = {
      aud: audiences.length > 0 ? audiences : [ISSUER],
      exp: now + seconds,
      iat: now,
      iss: ISSUER,
      jti: randomUUID(),
      'kubernetes.io': {
        namespace,
        serviceaccount: referenceOf(account),
        ...(bound ? { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } } : {}),
        ...(node ? { node } : {}),
      },
      nbf: now,
      sub: `system:serviceaccount:${namespace}:${name}`,
    };
    const head = `${encode({ alg: 'ES256', kid: this.#keyId })}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(head), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return { token: `${head}.${signature.toString('base64url')}`, expires: claims.exp * 1000 };
  }

  /**
   * Whose token it is; undefined for one that is not good, or no more: its account, or what it is bound to, has gone.
   * @param audiences any of which it has to be for
   */
  authenticate(
    token: string,
    audiences: readonly string[] = [ISSUER],
  ): { user: UserInfo; audiences: string[] } | undefined {
    const claims = this.#verified(token);
    if (!claims) return undefined;
    const now = Date.now() / 1000;
    const matching = audiences.filter((audience) => claims.aud.includes(audience));
    if (claims.iss !== ISSUER || claims.exp <= now || claims.nbf > now + 1 || matching.length === 0) return undefined;
    const { namespace, serviceaccount, pod, node } = claims['kubernetes.io'];
    const isThere = (resource: string, reference: Reference | undefined, within = namespace): boolean =>
      reference === undefined ||
      this.#store.get({ resource, namespace: within, name: reference.name })?.metadata.uid === reference.uid;
    if (!isThere(serviceAccounts.storage, serviceaccount) || !isThere(pods.storage, pod)) return undefined;
    if (!pod && !isThere(nodes.storage, node, '')) return undefined;
    const named = (key: string, reference: Reference | undefined): Record<string, readonly string[]> =>
      reference
        ? {
            [`authentication.kubernetes.io/${key}-name`]: [reference.name],
            [`authentication.kubernetes.io/${key}-uid`]: [reference.uid],
          }
        : {};
    const user = authenticated({
      name: claims.sub,
      uid: serviceaccount.uid,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`],
      extra: {
        'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`],
        ...named('node', node),
        ...named('pod', pod),
      },
    });
    return { user, audiences: matching };
  }

  #verified(token: string): Claims | undefined {
    const [header = '', body = '', signature = '', ...more] = token.split('.');
    if (more.length > 0 || signature === '') return undefined;
    try {
      const { alg } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg?: unknown };
      const key = { key: this.#publicKey, dsaEncoding: 'ieee-p1363' as const };
      const good = verify('sha256', Buffer.from(`${header}.${body}`), key, Buffer.from(signature, 'base64url'));
      return alg === 'ES256' && good ? (JSON.parse(Buffer.from(body, 'base64url').toString()) as Claims) : undefined;
    } catch {
      return undefined;
    }
  }
}

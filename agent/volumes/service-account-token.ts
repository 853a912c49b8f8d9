import { messageOf, WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { onceRelated } from '../kube/node-authorizer.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Pod, TokenRequest } from '../kube/types.ts';

/** The API server's default for serviceAccountToken.expirationSeconds. */
const DEFAULT_EXPIRATION_SECONDS = 3600;
/** A token is renewed after this share of its life, or after a day, whichever comes first. */
const RENEW_AFTER_SHARE = 0.8;
const RENEW_AFTER_MS = 24 * 3600 * 1000;
/** Renewals are this much earlier at random, so that pods started together do not all ask at one moment. */
const MAX_JITTER_MS = 10_000;

/** A token as a projected volume asks for it. */
export interface TokenSpec {
  /** '' is the API server's own audience. */
  readonly audience: string;
  readonly expirationSeconds: number | undefined;
}

interface CachedToken {
  readonly podUid: string;
  readonly token: string;
  readonly expiresAt: number;
  readonly renewAt: number;
}

export interface TokenManager {
  /**
   * A token of the pod's service account, bound to the pod.
   * @throws WasmletError Unavailable when there is no valid one and none could be had
   */
  token(pod: Pod, spec: TokenSpec, signal: AbortSignal): Promise<string>;
  /** Drops the tokens of a pod that is gone. */
  forget(podUid: string): void;
}

/**
 * Service account tokens by TokenRequest, cached and renewed in time (pkg/kubelet/token/token_manager.go). A renewal
 * that fails is logged while the old token still holds.
 * @param now milliseconds since the epoch, for tests
 */
export function createTokenManager(
  client: Pick<KubeClient, 'create'>,
  logger: Logger,
  now: () => number = Date.now,
): TokenManager {
  const cache = new Map<string, CachedToken>();
  return {
    async token(pod, spec, signal) {
      const key = cacheKey(pod, spec);
      const cached = cache.get(key);
      if (cached && now() < cached.renewAt) return cached.token;
      try {
        const fresh = await requestToken(client, pod, spec, signal);
        cache.set(key, fresh);
        return fresh.token;
      } catch (cause) {
        if (!cached) throw new WasmletError('Unavailable', `failed to fetch token: ${messageOf(cause)}`, { cause });
        if (now() >= cached.expiresAt) {
          throw new WasmletError('Unavailable', `token ${key} expired and refresh failed: ${messageOf(cause)}`, {
            cause,
          });
        }
        logger.error("couldn't update token", { request: key, error: messageOf(cause) });
        return cached.token;
      }
    },
    forget(podUid) {
      for (const [key, token] of cache) if (token.podUid === podUid) cache.delete(key);
    },
  };
}

/** Holds no secret, so that it may be logged. */
function cacheKey(pod: Pod, spec: TokenSpec): string {
  const { name, namespace, uid } = pod.metadata ?? {};
  const account = pod.spec?.serviceAccountName ?? 'default';
  return JSON.stringify([account, namespace, spec.audience, expirationOf(spec), name, uid]);
}

const expirationOf = (spec: TokenSpec): number => spec.expirationSeconds ?? DEFAULT_EXPIRATION_SECONDS;

async function requestToken(
  client: Pick<KubeClient, 'create'>,
  pod: Pod,
  spec: TokenSpec,
  signal: AbortSignal,
): Promise<CachedToken> {
  const { name = '', namespace = 'default', uid = '' } = pod.metadata ?? {};
  const account = pod.spec?.serviceAccountName ?? 'default';
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
  const request = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: {
      audiences: spec.audience === '' ? [] : [spec.audience],
      expirationSeconds: expirationOf(spec),
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name, uid },
    },
  };
  const answer = await onceRelated(() => client.create<TokenRequest>(path, request, { signal }), signal);
  const expiresAt = Date.parse(answer.status?.expirationTimestamp ?? '');
  if (!answer.status?.token || Number.isNaN(expiresAt)) {
    throw new WasmletError('Unavailable', `the API server answered a token request for ${account} without a token`);
  }
  // The server may grant another life than was asked for, and says so in the answer's spec.
  const lifeMs = (answer.spec?.expirationSeconds ?? expirationOf(spec)) * 1000;
  const jitter = Math.random() * MAX_JITTER_MS;
  const issuedAt = expiresAt - lifeMs;
  const renewAt = Math.min(issuedAt + lifeMs * RENEW_AFTER_SHARE, issuedAt + RENEW_AFTER_MS) - jitter;
  return { podUid: uid, token: answer.status.token, expiresAt, renewAt };
}

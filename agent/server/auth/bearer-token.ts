import { createHmac, randomBytes } from 'node:crypto';
import type { KubeClient } from '../../kube/client.ts';
import type { TokenReview } from '../../kube/types.ts';
import { ReviewCache } from './review-cache.ts';
import { authenticated, type UserInfo } from './user.ts';

/** The kubelet's authentication.webhook.cacheTTL. */
const KNOWN_MS = 120_000;
/** A token that was refused may be good soon after: its service account was not there yet. */
const REFUSED_MS = 10_000;
const TOKEN_REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
/** A service account token has about 1 KiB. */
const MAX_TOKEN_LENGTH = 16 * 1024;

/** The token of an Authorization header (apiserver, authentication/request/bearertoken). */
export function bearerTokenOf(authorization: string | undefined): string | undefined {
  const [scheme, token] = (authorization ?? '').trim().split(' ', 3);
  if (scheme?.toLowerCase() !== 'bearer' || !token || token.length > MAX_TOKEN_LENGTH) return undefined;
  return token;
}

/** Asks the API server whose a token is, and remembers it for two minutes. */
export class TokenAuthenticator {
  readonly #client: KubeClient;
  readonly #reviews: ReviewCache<{ readonly user?: UserInfo }>;
  /** The cache is keyed by what cannot be turned back into a token. */
  readonly #key = randomBytes(32);

  constructor(client: KubeClient, now?: () => number) {
    this.#client = client;
    this.#reviews = new ReviewCache(({ user }) => (user ? KNOWN_MS : REFUSED_MS), now);
  }

  /**
   * @returns undefined for a token that is not good
   * @throws what the client throws when the API server cannot tell
   */
  async authenticate(token: string): Promise<UserInfo | undefined> {
    const key = createHmac('sha256', this.#key).update(token).digest('base64');
    const { user } = await this.#reviews.get(key, () => this.#review(token));
    return user;
  }

  async #review(token: string): Promise<{ user?: UserInfo }> {
    const review = await this.#client.create<TokenReview>(TOKEN_REVIEWS, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token },
    });
    if (review.status?.authenticated !== true) return {};
    const { username = '', uid = '', groups = [], extra = {} } = review.status.user ?? {};
    return username === '' ? {} : { user: authenticated({ name: username, uid, groups, extra }) };
  }
}

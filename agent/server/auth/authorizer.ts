import type { KubeClient } from '../../kube/client.ts';
import type { SubjectAccessReview } from '../../kube/types.ts';
import type { RequestAttributes } from './attributes.ts';
import { ReviewCache } from './review-cache.ts';
import type { UserInfo } from './user.ts';

/** The kubelet's authorization.webhook.cacheAuthorizedTTL and cacheUnauthorizedTTL. */
const ALLOWED_MS = 300_000;
const DENIED_MS = 30_000;
const SUBJECT_ACCESS_REVIEWS = '/apis/authorization.k8s.io/v1/subjectaccessreviews';

/** The API server could not tell whether a request is allowed. */
export class AuthorizationError extends Error {
  readonly subresource: string;

  constructor(subresource: string, cause: unknown) {
    super(`nodes/${subresource} could not be reviewed`, { cause });
    this.name = 'AuthorizationError';
    this.subresource = subresource;
  }
}

/** Asks the API server what a user may do with this node, and remembers it: five minutes a yes, half a minute a no. */
export class Authorizer {
  readonly #client: KubeClient;
  readonly #nodeName: string;
  readonly #reviews: ReviewCache<boolean>;

  constructor(client: KubeClient, nodeName: string, now?: () => number) {
    this.#client = client;
    this.#nodeName = nodeName;
    this.#reviews = new ReviewCache((allowed) => (allowed ? ALLOWED_MS : DENIED_MS), now);
  }

  /** Whether one of the subresources is allowed, asked in their order. @throws AuthorizationError */
  async isAllowed(user: UserInfo, attributes: RequestAttributes): Promise<boolean> {
    for (const subresource of attributes.subresources) {
      const spec = this.#spec(user, attributes.verb, subresource);
      try {
        if (await this.#reviews.get(JSON.stringify(spec), () => this.#review(spec))) return true;
      } catch (error) {
        throw new AuthorizationError(subresource, error);
      }
    }
    return false;
  }

  #spec(user: UserInfo, verb: string, subresource: string): SubjectAccessReview['spec'] {
    return {
      user: user.name,
      ...(user.uid === '' ? {} : { uid: user.uid }),
      groups: [...user.groups],
      extra: Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]])),
      resourceAttributes: { verb, version: 'v1', resource: 'nodes', subresource, name: this.#nodeName },
    };
  }

  async #review(spec: SubjectAccessReview['spec']): Promise<boolean> {
    const review = await this.#client.create<SubjectAccessReview>(SUBJECT_ACCESS_REVIEWS, {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec,
    });
    return review.status?.allowed === true && review.status.denied !== true;
  }
}

import { setTimeout as delay } from 'node:timers/promises';
import { KubeApiError } from './client.ts';

/** What a new pod's watch event may be ahead of the Node authorizer by, and a good deal more: 1.5 s in all. */
const DELAYS_MS = [50, 100, 200, 400, 750];

/** How the Node authorizer refuses an object, and NodeRestriction a token, of a pod that they do not know as the node's. */
const UNRELATED = /no relationship found|node requested token bound to a pod scheduled on a different node/;

/**
 * Asks again, for a short while, when the API server refuses for it has not yet seen that the pod which makes the object
 * the node's concern is bound to it: all learn of that by a watch, and this node may be first. Other refusals are thrown
 * at once. Source: plugin/pkg/auth/authorizer/node/node_authorizer.go, plugin/pkg/admission/noderestriction/admission.go.
 */
export async function onceRelated<T>(request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (const delayMs of DELAYS_MS) {
    try {
      return await request();
    } catch (error) {
      if (!isUnrelated(error) || signal?.aborted) throw error;
    }
    await delay(delayMs, undefined, signal ? { signal } : {});
  }
  return request();
}

const isUnrelated = (error: unknown): boolean =>
  error instanceof KubeApiError && error.status === 403 && UNRELATED.test(error.message);

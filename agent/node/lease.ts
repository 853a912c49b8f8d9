import { hasCode, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { createBackoff, sleep } from '../kube/backoff.ts';
import { KubeApiError, type KubeClient } from '../kube/client.ts';
import type { Lease, Node } from '../kube/types.ts';

export interface LeaseOptions {
  readonly client: KubeClient;
  readonly nodeName: string;
  readonly durationSeconds: number;
  /** The Node object, once it is known: the lease goes with it. */
  readonly node: () => Node | undefined;
  readonly logger: Logger;
}

const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
/** client-go component-helpers, lease controller: maxUpdateRetries, maxBackoff. */
const MAX_UPDATE_TRIES = 5;
const BACKOFF = { initialMs: 200, maxMs: 7000, jitter: 0 };

/**
 * Keeps the node's lease (kube-node-lease/NAME), by which the control plane knows that the node is alive: created where
 * it does not exist, renewed every quarter of its duration, until the signal ends it.
 */
export async function runLease(options: LeaseOptions, signal: AbortSignal): Promise<void> {
  const intervalMs = (options.durationSeconds * 1000) / 4;
  let latest: Lease | undefined;
  do {
    latest = await renew(options, latest, signal);
  } while (await sleep(intervalMs * (1 + Math.random() * 0.04), signal));
}

/** @returns the lease as it is now; undefined when it has to be read first */
async function renew(
  options: LeaseOptions,
  latest: Lease | undefined,
  signal: AbortSignal,
): Promise<Lease | undefined> {
  let base = latest;
  for (let tries = 0; tries < MAX_UPDATE_TRIES && !signal.aborted; tries++) {
    try {
      const { lease, created } = base ? { lease: base, created: false } : await ensure(options, signal);
      if (created) return lease;
      return await options.client.update(`${LEASES}/${options.nodeName}`, leaseFrom(lease, options), { signal });
    } catch (error) {
      if (hasCode(error, 'Cancelled')) break;
      options.logger.warn('the node lease could not be renewed', { error: messageOf(error) });
      // Gone or changed by another: what we know of it is no use. Otherwise the same update can be made again.
      if (error instanceof KubeApiError) base = undefined;
    }
  }
  return base;
}

/** Reads or creates the lease, as often as it takes. @throws the last error when the signal ended it */
async function ensure(options: LeaseOptions, signal: AbortSignal): Promise<{ lease: Lease; created: boolean }> {
  const backoff = createBackoff(BACKOFF);
  for (;;) {
    try {
      return await readOrCreate(options, signal);
    } catch (error) {
      options.logger.warn('the node lease could not be read or created, will try again', { error: messageOf(error) });
      if (!(await backoff.wait(signal))) throw error;
    }
  }
}

async function readOrCreate({ client, ...rest }: LeaseOptions, signal: AbortSignal) {
  try {
    return { lease: await client.get<Lease>(`${LEASES}/${rest.nodeName}`, { signal }), created: false };
  } catch (error) {
    if (!(error instanceof KubeApiError) || error.status !== 404) throw error;
    const lease = leaseFrom(undefined, rest);
    return { lease: await client.create<Lease>(LEASES, lease, { signal }), created: true };
  }
}

/** The lease as it is to be written (kubelet: SetNodeOwnerFunc). Its owner is added once the Node is known. */
export function leaseFrom(
  base: Lease | undefined,
  { nodeName, durationSeconds, node }: Pick<LeaseOptions, 'nodeName' | 'durationSeconds' | 'node'>,
): Lease {
  const uid = node()?.metadata?.uid;
  const owner = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: uid ?? '' };
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      ...base?.metadata,
      name: nodeName,
      namespace: 'kube-node-lease',
      ...(uid === undefined ? {} : { ownerReferences: [owner] }),
    },
    spec: {
      ...base?.spec,
      holderIdentity: nodeName,
      leaseDurationSeconds: durationSeconds,
      // MicroTime: six digits.
      renewTime: new Date().toISOString().replace('Z', '000Z'),
    },
  };
}

import type { Pod } from '../../kube/types.ts';
import { podRequests } from '../../pods/admission/pod-requests.ts';

interface Holding {
  readonly requests: ReadonlyMap<string, number>;
  /** The pod, where it has ports of the node. */
  readonly withPorts: Pod | undefined;
}

/** What the pods of a node have taken of it: kept as they come and go, for it is asked for each pod that waits. */
export class Taken {
  readonly #holdings = new Map<string, Holding>();
  readonly #sums = new Map<string, number>();

  get count(): number {
    return this.#holdings.size;
  }

  /** Pods that have ports of the node. */
  get withPorts(): readonly Pod[] {
    return this.#ported;
  }

  #ported: readonly Pod[] = [];

  /** In the scheduler's units, as podRequests has it. */
  amountOf(resource: string): number {
    return this.#sums.get(resource) ?? 0;
  }

  /** @param key of the pod, '<namespace>/<name>'; one that is there already is replaced */
  add(key: string, pod: Pod): void {
    this.remove(key);
    const holding = { requests: podRequests(pod), withPorts: hasPorts(pod) ? pod : undefined };
    this.#holdings.set(key, holding);
    this.#change(holding, 1);
  }

  /** @returns whether it was there */
  remove(key: string): boolean {
    const holding = this.#holdings.get(key);
    if (!holding) return false;
    this.#holdings.delete(key);
    this.#change(holding, -1);
    return true;
  }

  #change({ requests, withPorts }: Holding, sign: 1 | -1): void {
    for (const [name, amount] of requests) this.#sums.set(name, this.amountOf(name) + sign * amount);
    if (!withPorts) return;
    this.#ported = sign > 0 ? [...this.#ported, withPorts] : this.#ported.filter((pod) => pod !== withPorts);
  }
}

const hasPorts = ({ spec }: Pod): boolean =>
  [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
    .flatMap(({ ports }) => ports ?? [])
    .some(({ hostPort }) => (hostPort ?? 0) > 0);

import type { Pod } from '../../kube/types.ts';
import { milliValue, wholeValue } from '../quantity.ts';
import { containersOf, initContainersOf, isRestartableInit } from '../spec.ts';

type Amounts = Map<string, number>;
type Quantities = Readonly<Record<string, string>>;

/** CPU in thousandths, all else in whole units, as the scheduler counts. */
export const amountOf = (name: string, quantity: string | undefined): number =>
  name === 'cpu' ? milliValue(quantity) : wholeValue(quantity);

/**
 * What a pod asks for at its peak: regular containers and sidecars together, or an init container with the sidecars
 * before it, with the overhead of its runtime class (k8s.io/component-helpers/resource, PodRequests).
 */
export const podRequests = (pod: Pod): ReadonlyMap<string, number> => add(atPeak(pod, 'requests'), pod.spec?.overhead);

/**
 * What a pod may have at its peak; a resource that no container has a limit of is not in it
 * (k8s.io/component-helpers/resource, PodLimits).
 */
export function podLimits(pod: Pod): ReadonlyMap<string, number> {
  const limits = atPeak(pod, 'limits');
  const overhead = Object.entries(pod.spec?.overhead ?? {}).filter(([name]) => (limits.get(name) ?? 0) > 0);
  return add(limits, Object.fromEntries(overhead));
}

function atPeak(pod: Pod, kind: 'requests' | 'limits'): Amounts {
  const running: Amounts = new Map();
  for (const { resources } of containersOf(pod)) add(running, resources?.[kind]);
  const sidecars: Amounts = new Map();
  const peak: Amounts = new Map();
  for (const container of initContainersOf(pod)) {
    const amounts = container.resources?.[kind];
    if (isRestartableInit(container)) {
      add(running, amounts);
      add(sidecars, amounts);
      raise(peak, sidecars);
    } else {
      raise(peak, add(new Map(sidecars), amounts));
    }
  }
  raise(running, peak);
  for (const [name, quantity] of Object.entries(pod.spec?.resources?.[kind] ?? {})) {
    running.set(name, amountOf(name, quantity));
  }
  return running;
}

function add(amounts: Amounts, quantities: Quantities = {}): Amounts {
  for (const [name, quantity] of Object.entries(quantities)) {
    amounts.set(name, (amounts.get(name) ?? 0) + amountOf(name, quantity));
  }
  return amounts;
}

function raise(amounts: Amounts, to: Amounts): void {
  for (const [name, amount] of to) amounts.set(name, Math.max(amounts.get(name) ?? 0, amount));
}

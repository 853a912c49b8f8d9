import { milliValueOf, parseQuantity, valueOf, type Quantity } from '../../config/quantity.ts';
import type { Pod } from '../../kube/types.ts';
import { containersOf, initContainersOf, isRestartableInit } from '../spec.ts';

type Quantities = Map<string, Quantity>;
type ResourceList = Readonly<Record<string, string>>;

/** CPU in thousandths, all else in whole units, as the scheduler counts. */
const numberOf = (name: string, quantity: Quantity): number =>
  Number(name === 'cpu' ? milliValueOf(quantity) : valueOf(quantity));

/** The same of a text; 0 where there is none. */
export const amountOf = (name: string, quantity: string | undefined): number =>
  numberOf(name, parseQuantity(quantity ?? '0'));

const toNumbers = (quantities: Quantities): ReadonlyMap<string, number> =>
  new Map([...quantities].map(([name, quantity]) => [name, numberOf(name, quantity)]));

/** What a pod asks for, in numbers: see podRequestQuantities. */
export const podRequests = (pod: Pod): ReadonlyMap<string, number> => toNumbers(podRequestQuantities(pod));

/** What a pod may have, in numbers: see podLimitQuantities. */
export const podLimits = (pod: Pod): ReadonlyMap<string, number> => toNumbers(podLimitQuantities(pod));

/**
 * What a pod asks for at its peak: regular containers and sidecars together, or an init container with the sidecars
 * before it, with the overhead of its runtime class (k8s.io/component-helpers/resource, PodRequests).
 */
export const podRequestQuantities = (pod: Pod): Quantities => add(atPeak(pod, 'requests'), pod.spec?.overhead);

/**
 * What a pod may have at its peak; a resource that no container has a limit of is not in it
 * (k8s.io/component-helpers/resource, PodLimits).
 */
export function podLimitQuantities(pod: Pod): Quantities {
  const limits = atPeak(pod, 'limits');
  const overhead = Object.entries(pod.spec?.overhead ?? {}).filter(([name]) => (limits.get(name)?.nanos ?? 0n) > 0n);
  return add(limits, Object.fromEntries(overhead));
}

function atPeak(pod: Pod, kind: 'requests' | 'limits'): Quantities {
  const running: Quantities = new Map();
  for (const { resources } of containersOf(pod)) add(running, resources?.[kind]);
  const sidecars: Quantities = new Map();
  const peak: Quantities = new Map();
  for (const container of initContainersOf(pod)) {
    const quantities = container.resources?.[kind];
    if (isRestartableInit(container)) {
      add(running, quantities);
      add(sidecars, quantities);
      raise(peak, sidecars);
    } else {
      raise(peak, add(new Map(sidecars), quantities));
    }
  }
  raise(running, peak);
  for (const [name, quantity] of Object.entries(pod.spec?.resources?.[kind] ?? {})) {
    running.set(name, parseQuantity(quantity));
  }
  return running;
}

/** A sum is written as its first part that is not zero, as Go's Quantity.Add has it. */
function add(sums: Quantities, list: ResourceList = {}): Quantities {
  for (const [name, text] of Object.entries(list)) {
    const quantity = parseQuantity(text);
    const sum = sums.get(name);
    const isFirst = !sum || sum.nanos === 0n;
    sums.set(name, isFirst ? quantity : { nanos: sum.nanos + quantity.nanos, format: sum.format });
  }
  return sums;
}

function raise(quantities: Quantities, to: Quantities): void {
  for (const [name, quantity] of to) {
    if (quantity.nanos > (quantities.get(name)?.nanos ?? -1n)) quantities.set(name, quantity);
  }
}

import { WasmletError } from '../../base/errors.ts';
import { milliValueOf, parseQuantity, valueOf, type Quantity } from '../config/quantity.ts';
import type { Container, Pod } from '../kube/types.ts';

/** Quantities by resource name, as on the wire. */
type ResourceList = Readonly<Record<string, string>>;

export interface ResourceFieldSelector {
  readonly containerName?: string;
  readonly resource: string;
  /** '0' and absence both mean 1. */
  readonly divisor?: string;
}

const DEFAULTED_RESOURCES = ['cpu', 'memory', 'ephemeral-storage'];
const POD_LEVEL_RESOURCES = ['cpu', 'memory'];

/**
 * A container's resource for a downward API volume. Limits that are not set are the node's allocatable resources
 * (pkg/api/v1/resource, ExtractResourceValueByContainerNameAndNodeAllocatable).
 * @throws WasmletError InvalidArgument with Kubernetes' text
 */
export function resourceValueForVolume(pod: Pod, selector: ResourceFieldSelector, allocatable: ResourceList): string {
  return resourceValue(findContainer(pod, selector.containerName ?? ''), selector, allocatable);
}

/**
 * A container's resource for a variable of `container`. Limits that are not set are the pod's, else the node's
 * allocatable resources; those of init containers that are named explicitly get no default
 * (pkg/kubelet/kubelet_resources.go, defaultPodLimitsForDownwardAPI).
 * @throws WasmletError InvalidArgument with Kubernetes' text
 */
export function resourceValueForVariable(
  pod: Pod,
  container: Container,
  selector: ResourceFieldSelector,
  allocatable: ResourceList,
): string {
  const defaults = withPodLimits(pod, allocatable);
  const name = selector.containerName ?? '';
  if (name === '') return resourceValue(container, selector, defaults);
  const named = findContainer(pod, name);
  return resourceValue(named, selector, pod.spec?.containers.includes(named) ? defaults : {});
}

function findContainer(pod: Pod, name: string): Container {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const found = containers.find((container) => container.name === name);
  if (!found) throw new WasmletError('InvalidArgument', `container ${name} not found`);
  return found;
}

/** Pod-level limits (KEP-2837) stand before what the node has. */
function withPodLimits(pod: Pod, allocatable: ResourceList): ResourceList {
  const limits = Object.entries(pod.spec?.resources?.limits ?? {}).filter(
    ([name, quantity]) => POD_LEVEL_RESOURCES.includes(name) && name in allocatable && !isZero(quantity),
  );
  return { ...allocatable, ...Object.fromEntries(limits) };
}

function resourceValue(container: Container, selector: ResourceFieldSelector, defaults: ResourceList): string {
  const [, kind, name] = /^(limits|requests)\.(.+)$/.exec(selector.resource) ?? [];
  if (name === undefined || !(DEFAULTED_RESOURCES.includes(name) || name.startsWith('hugepages-'))) {
    throw new WasmletError('InvalidArgument', `unsupported container resource : ${selector.resource}`);
  }
  const value = kind === 'limits' ? limitOf(container, name, defaults) : container.resources?.requests?.[name];
  const unit: (quantity: Quantity) => bigint = name === 'cpu' ? milliValueOf : valueOf;
  return ceilDivide(unit(parseQuantity(value ?? '0')), unit(divisorOf(selector))).toString();
}

function limitOf(container: Container, name: string, defaults: ResourceList): string | undefined {
  const own = container.resources?.limits?.[name];
  const isSet = own !== undefined && !isZero(own);
  return isSet || !DEFAULTED_RESOURCES.includes(name) ? own : defaults[name];
}

function divisorOf({ divisor = '0' }: ResourceFieldSelector): Quantity {
  return parseQuantity(isZero(divisor) ? '1' : divisor);
}

const isZero = (quantity: string): boolean => parseQuantity(quantity).nanos === 0n;

const ceilDivide = (value: bigint, divisor: bigint): bigint => (value + divisor - 1n) / divisor;

import type { Config } from '../config/schema.ts';
import {
  formatQuantity,
  milliQuantityOf,
  parseQuantity,
  quantityOf,
  subtract,
  type Quantity,
} from '../config/quantity.ts';
import type { MachineReading } from './machine.ts';
import { thresholdBytes } from './pressure.ts';

export interface NodeResources {
  readonly capacity: Record<string, string>;
  readonly allocatable: Record<string, string>;
}

export type CapacityConfig = Pick<Config, 'capacity' | 'systemReserved' | 'evictionHard' | 'maxPods'>;

/**
 * status.capacity and status.allocatable: what is there (or configured), and that less what is reserved for the system
 * and less what eviction would take back (pkg/kubelet/cm, GetNodeAllocatableReservation).
 */
export function nodeResources(reading: Omit<MachineReading, 'pids' | 'inodes'>, config: CapacityConfig): NodeResources {
  const found = {
    cpu: milliQuantityOf(reading.cpuMillis),
    memory: quantityOf(reading.memory.capacity, 'BinarySI'),
    'ephemeral-storage': quantityOf(reading.storage.capacity, 'BinarySI'),
  };
  const capacity: Record<string, string> = { pods: String(config.maxPods) };
  const allocatable: Record<string, string> = { pods: String(config.maxPods) };
  for (const name of ['cpu', 'memory', 'ephemeral-storage'] as const) {
    const total = quantityIn(config.capacity[name]) ?? found[name];
    capacity[name] = formatQuantity(total);
    const reserved = subtract(total, quantityIn(config.systemReserved[name]) ?? quantityOf(0));
    allocatable[name] = formatQuantity(subtract(reserved, evictionReserve(name, total, config)));
  }
  return { capacity, allocatable };
}

const quantityIn = (text: string | undefined): Quantity | undefined =>
  text === undefined ? undefined : parseQuantity(text);

function evictionReserve(name: string, total: Quantity, { evictionHard }: CapacityConfig): Quantity {
  const threshold =
    name === 'memory'
      ? evictionHard['memory.available']
      : name === 'ephemeral-storage'
        ? evictionHard['nodefs.available']
        : undefined;
  if (threshold === undefined) return quantityOf(0);
  return quantityOf(thresholdBytes(threshold, Number(total.nanos / 1_000_000_000n)), 'BinarySI');
}

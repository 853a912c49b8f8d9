import type { Config } from '../config/schema.ts';
import { parseBytes } from '../config/quantity.ts';
import type { Amount, MachineReading } from './machine.ts';

export interface Pressure {
  readonly memory: boolean;
  readonly disk: boolean;
  readonly pid: boolean;
}

/** Tells from readings whether the node is under pressure, and keeps saying so for a while after it has gone. */
export interface PressureMonitor {
  /** @param nowMs a clock that does not go back */
  evaluate(reading: MachineReading, nowMs: number): Pressure;
}

/**
 * An eviction threshold in units of its signal.
 * @param threshold a quantity, or a percentage of `capacity`
 */
export function thresholdBytes(threshold: string, capacity: number): number {
  return threshold.endsWith('%') ? Math.ceil((Number(threshold.slice(0, -1)) / 100) * capacity) : parseBytes(threshold);
}

/**
 * @param thresholds signal to the amount below which there is pressure
 * @param transitionMs how long a condition stays after its signal is over the threshold again, so that it does not
 *   swing with every pod (kubelet: evictionPressureTransitionPeriod)
 */
export function createPressureMonitor(thresholds: Config['evictionHard'], transitionMs: number): PressureMonitor {
  const lastMet = new Map<keyof Pressure, number>();
  const below = (amount: Amount, threshold: string) =>
    amount.capacity > 0 && amount.available < thresholdBytes(threshold, amount.capacity);
  return {
    evaluate(reading, nowMs) {
      const met: Pressure = {
        memory: below(reading.memory, thresholds['memory.available']),
        disk:
          below(reading.storage, thresholds['nodefs.available']) ||
          below(reading.inodes, thresholds['nodefs.inodesFree']),
        pid: below(reading.pids, thresholds['pid.available']),
      };
      const holds = (signal: keyof Pressure) => {
        if (met[signal]) lastMet.set(signal, nowMs);
        return nowMs - (lastMet.get(signal) ?? -Infinity) < transitionMs || met[signal];
      };
      return { memory: holds('memory'), disk: holds('disk'), pid: holds('pid') };
    },
  };
}

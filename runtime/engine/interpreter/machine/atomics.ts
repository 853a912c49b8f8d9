import { GuestTrap } from '../../engine.ts';
import { MEMORY_TRAP } from './instance.ts';
import type { Machine } from './machine.ts';
import type { Operands } from './operands.ts';

const UNALIGNED = 'operation does not support unaligned accesses';
const NOT_SHARED = 'Atomics.wait cannot be called in this context';

/** Where an atomic instruction waits or wakes. @throws GuestTrap */
function place(machine: Machine, operands: Operands, bytes: number): { buffer: ArrayBufferLike; address: number } {
  const index = operands.u16('memory');
  const buffer = machine.instance.memories[index]?.buffer ?? new ArrayBuffer(0);
  const is64 = machine.instance.module.memories[index]?.type.is64;
  const address = operands.address('a', is64) + operands.u32('offset');
  if (address % bytes !== 0) throw new GuestTrap(UNALIGNED, []);
  if (address + bytes > buffer.byteLength) throw new GuestTrap(MEMORY_TRAP, []);
  return { buffer, address };
}

const RESULTS = { ok: 0, 'not-equal': 1, 'timed-out': 2 } as const;

/** Threads proposal, "Wait and notify operators". */
export const ATOMICS: readonly (readonly [string, (machine: Machine, operands: Operands) => void])[] = [
  [
    'memory.atomic.notify',
    (machine, operands) => {
      const { buffer, address } = place(machine, operands, 4);
      // Nobody waits on a memory that is not shared.
      const woken =
        buffer instanceof SharedArrayBuffer
          ? Atomics.notify(new Int32Array(buffer), address / 4, operands.value('v'))
          : 0;
      operands.set('d', woken);
    },
  ],
  [
    'memory.atomic.wait32',
    (machine, operands) => {
      const { buffer, address } = place(machine, operands, 4);
      if (!(buffer instanceof SharedArrayBuffer)) throw new GuestTrap(NOT_SHARED, []);
      const result = Atomics.wait(new Int32Array(buffer), address / 4, operands.value('v') | 0, timeout(operands));
      operands.set('d', RESULTS[result]);
    },
  ],
  [
    'memory.atomic.wait64',
    (machine, operands) => {
      const { buffer, address } = place(machine, operands, 8);
      if (!(buffer instanceof SharedArrayBuffer)) throw new GuestTrap(NOT_SHARED, []);
      const expected = BigInt.asIntN(64, operands.value64('v'));
      const result = Atomics.wait(new BigInt64Array(buffer), address / 8, expected, timeout(operands));
      operands.set('d', RESULTS[result]);
    },
  ],
];

/** Milliseconds, from nanoseconds; negative is for ever. */
function timeout(operands: Operands): number {
  const nanoseconds = BigInt.asIntN(64, operands.value64('w'));
  return nanoseconds < 0n ? Infinity : Number(nanoseconds) / 1e6;
}

import { GuestTrap } from '../../engine.ts';
import { ATOMICS } from './atomics.ts';
import { CALLS } from './calls.ts';
import { EXCEPTIONS } from './exceptions.ts';
import { MEMORY_TRAP, TABLE_TRAP } from './instance.ts';
import type { Machine } from './machine.ts';
import type { NativeMemory } from './native.ts';
import type { Operands } from './operands.ts';
import type { Table } from './table.ts';

/** An instruction that JavaScript does. It goes on behind it, unless it says where itself. */
export type SystemOperation = (machine: Machine, operands: Operands) => void;

function memoryOf(machine: Machine, operands: Operands, name = 'memory'): { memory: NativeMemory; is64: boolean } {
  const index = operands.u16(name);
  const memory = machine.instance.memories[index];
  if (memory === undefined) throw new RangeError(`there is no memory ${index}`);
  return { memory, is64: machine.instance.module.memories[index]?.type.is64 === true };
}

function grow(machine: Machine, operands: Operands): void {
  const { memory, is64 } = memoryOf(machine, operands);
  const delta = operands.address('n', is64);
  operands.setAddress('d', growMemory(memory, delta, is64), is64);
}

/** @returns the old size in pages, -1 when there is no room */
function growMemory(memory: NativeMemory, delta: number, is64: boolean): number {
  if (delta > 2 ** 32) return -1;
  try {
    // Not what it had before: another thread may have made it larger since.
    return Number(memory.grow(is64 ? BigInt(delta) : delta));
  } catch (error) {
    if (error instanceof RangeError) return -1;
    throw error;
  }
}

function copyBetween(machine: Machine, operands: Operands): void {
  const to = memoryOf(machine, operands);
  const from = memoryOf(machine, operands, 'source');
  const target = operands.address('a', to.is64);
  const source = operands.address('b', from.is64);
  const count = operands.address('n', to.is64 && from.is64);
  const [into, out] = [new Uint8Array(to.memory.buffer), new Uint8Array(from.memory.buffer)];
  if (target + count > into.length || source + count > out.length) throw new GuestTrap(MEMORY_TRAP, []);
  into.set(out.subarray(source, source + count), target);
}

function init(machine: Machine, operands: Operands): void {
  const { is64 } = memoryOf(machine, operands);
  machine.instance.initMemory({
    memory: operands.u16('memory'),
    segment: operands.u32('segment'),
    to: operands.address('a', is64),
    from: operands.value('b'),
    count: operands.value('n'),
  });
}

function tableOf(machine: Machine, operands: Operands, name = 'table'): Table {
  const table = machine.store.tables.get(operands.u32(name));
  if (table === undefined) throw new RangeError('there is no such table');
  return table;
}

const TABLES: readonly (readonly [string, SystemOperation])[] = [
  [
    'table.get',
    (machine, operands) => {
      const table = tableOf(machine, operands);
      const index = operands.address('index', table.type.is64);
      if (index >= table.length) throw new GuestTrap(TABLE_TRAP, []);
      operands.set('d', table.get(index));
    },
  ],
  [
    'table.set',
    (machine, operands) => {
      const table = tableOf(machine, operands);
      const index = operands.address('index', table.type.is64);
      if (index >= table.length) throw new GuestTrap(TABLE_TRAP, []);
      table.set(index, operands.value('v'));
    },
  ],
  [
    'table.size',
    (machine, operands) => {
      const table = tableOf(machine, operands);
      operands.setAddress('d', table.length, table.type.is64);
    },
  ],
  [
    'table.grow',
    (machine, operands) => {
      const table = tableOf(machine, operands);
      const { is64 } = table.type;
      operands.setAddress('d', table.grow(operands.address('n', is64), operands.value('v')) ?? -1, is64);
    },
  ],
  [
    'table.fill',
    (machine, operands) => {
      const table = tableOf(machine, operands);
      const { is64 } = table.type;
      const filled = table.fill(operands.address('a', is64), operands.address('n', is64), operands.value('v'));
      if (!filled) throw new GuestTrap(TABLE_TRAP, []);
    },
  ],
  [
    'table.copy',
    (machine, operands) => {
      const to = tableOf(machine, operands);
      const from = tableOf(machine, operands, 'source');
      const copied = to.copyFrom(
        from,
        operands.address('a', to.type.is64),
        operands.address('b', from.type.is64),
        operands.address('n', to.type.is64 && from.type.is64),
      );
      if (!copied) throw new GuestTrap(TABLE_TRAP, []);
    },
  ],
  [
    'table.init',
    (machine, operands) => {
      const table = tableOf(machine, operands);
      const to = operands.address('a', table.type.is64);
      machine.instance.initTable(table, operands.u32('segment'), to, operands.value('b'), operands.value('n'));
    },
  ],
  ['elem.drop', (machine, operands) => machine.instance.dropElements(operands.u32('segment'))],
];

/** Addresses beyond what a number of JavaScript tells apart are beyond every memory. */
const FAR_AWAY = -1n;

const MEMORIES: readonly (readonly [string, SystemOperation])[] = [
  ['memory.grow', grow],
  ['memory.copy:between', copyBetween],
  ['memory.init', init],
  ['data.drop', (machine, operands) => machine.instance.dropData(operands.u32('segment'))],
  [
    'address:far',
    (machine, operands) => {
      const sum = operands.value64('a') + BigInt.asUintN(64, operands.i64('offset'));
      const address = sum >= 2n ** 64n ? FAR_AWAY : BigInt.asIntN(64, sum);
      machine.store.state.view.setBigInt64(operands.slot('d'), address, true);
    },
  ],
];

/** Instructions behind which the next one is the one that follows. */
export const IN_LINE: ReadonlyMap<string, SystemOperation> = new Map([...MEMORIES, ...TABLES, ...ATOMICS]);

/** Instructions that say themselves where it goes on. */
export const TRANSFERS: ReadonlyMap<string, SystemOperation> = new Map<string, SystemOperation>([
  ...CALLS,
  ...EXCEPTIONS,
  [
    'unreachable',
    (machine) => {
      throw machine.trap('unreachable');
    },
  ],
  [
    'ref.as_non_null',
    (machine) => {
      throw machine.trap('dereferencing a null pointer');
    },
  ],
]);

import { hash } from 'node:crypto';
import { loadModule } from '../../wasm/validate.ts';
import { wat } from '../v8/test-wat.ts';
import { Instance, NO_IMPORTS } from './machine/instance.ts';
import { invoke } from './machine/invoke.ts';
import { Machine } from './machine/machine.ts';
import { Store } from './machine/store.ts';

/** For tests: one instance in a store of its own, without imports. */
export class TestGuest {
  readonly instance: Instance;
  readonly machine: Machine;

  constructor(module: string | Uint8Array<ArrayBuffer>) {
    const bytes = typeof module === 'string' ? wat(module) : module;
    const store = new Store();
    this.instance = new Instance(store, loadModule(bytes), NO_IMPORTS);
    this.instance.initialize();
    this.machine = new Machine(store);
  }

  /** The record of an exported function. */
  record(name: string): number {
    const found = this.instance.module.exports.find((one) => one.name === name && one.kind === 'function');
    if (found === undefined) throw new RangeError(`no function ${name} is exported`);
    return this.instance.function(found.index);
  }

  /** Calls an exported function. */
  call(name: string, ...args: readonly unknown[]): unknown[] {
    return invoke(this.machine, this.record(name), args);
  }

  /** Begins a call; `machine.resume` then runs it. */
  begin(name: string, ...args: readonly unknown[]): void {
    const { machine } = this;
    const record = this.record(name);
    const { parameters } = machine.store.typeOf(record);
    machine.begin(record, (index, address) => machine.host.write(parameters[index] ?? 0, address, args[index]));
  }
}

/** Runs a guest to its end, whatever stopped it before. @returns its fuel, globals and memories, as text */
export function endOf({ machine, instance }: TestGuest): string {
  machine.fuel.limit = Infinity;
  while (machine.resume().kind !== 'done');
  const globals = [...instance.module.globals.keys()].map((index) => String(instance.globalValue(index)));
  const memories = instance.memories.map(({ buffer }) => hash('sha1', new Uint8Array(buffer)));
  return [`fuel ${machine.fuelUsed}`, ...globals, ...memories].join(' ');
}

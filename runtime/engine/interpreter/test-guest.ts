import { hash } from 'node:crypto';
import { loadModule } from '../../wasm/validate.ts';
import { wat } from '../v8/test-wat.ts';
import { Instance, NO_IMPORTS } from './machine/instance.ts';
import { invoke } from './machine/invoke.ts';
import { Machine } from './machine/machine.ts';
import { Store } from './machine/store.ts';

/** What the programs of tests call: $op by table, of which $fails throws $odd, and $fib, which calls itself. */
export const CALLED = `
  (type $op (func (param i32) (result i32)))
  (tag $odd (param i32))
  (func $double (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
  (func $square (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
  (func $fails (param i32) (result i32)
    (if (i32.and (local.get 0) (i32.const 1)) (then (throw $odd (local.get 0))))
    (local.get 0))
  (func $fib (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
        (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
`;

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

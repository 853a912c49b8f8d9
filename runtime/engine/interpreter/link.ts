import type { Module } from '../../wasm/module.ts';
import type { HostFunction } from '../engine.ts';
import { Instance, NO_IMPORTS } from './machine/instance.ts';
import type { NativeMemory } from './machine/native.ts';
import { Store } from './machine/store.ts';

/**
 * An instance in a store of its own, whose imports are functions of the host and memories alone.
 * @param hosts what each imported function calls
 * @throws GuestTrap when a segment does not fit; WasmletError InvalidArgument when there is no room
 */
export function linkedInstance(
  module: Module,
  hosts: readonly HostFunction[],
  memories: readonly NativeMemory[],
): Instance {
  const store = new Store();
  const types = store.types.register(module.types, module.typeGroups);
  const functions = hosts.map((host, index) => {
    const type = types[module.functions[index]?.type ?? 0] ?? 0;
    return store.hostFunction(store.types.get(type), type, host);
  });
  const instance = new Instance(store, module, { ...NO_IMPORTS, functions, memories });
  instance.initialize();
  return instance;
}

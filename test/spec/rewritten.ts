import { HOOKS, HOOKS_MODULE, hookImports, PRIVATE, rewriteForPreemption } from '../../runtime/wasm/rewrite.ts';
import type { Exports, Imports, SpecEngine } from './engine.ts';

interface Table {
  set(index: number, value: unknown): void;
}

/**
 * An engine whose guests are rewritten for shared hosts, and yield at every check: what the suite says must hold for
 * them as well. Modules that cannot share a host stay as they are.
 */
export function rewritten(engine: SpecEngine): SpecEngine {
  return { ...engine, name: `${engine.name}, preempted at every check`, ...classesOver(engine) };
}

function classesOver(engine: SpecEngine): Pick<SpecEngine, 'Module' | 'Instance'> {
  const hooks = new engine.Instance(
    new engine.Module(HOOKS_MODULE),
    hookImports<unknown>({ yield: () => undefined, grow: () => undefined }),
  ).exports;
  const preempted = new WeakSet<object>();

  function compile(bytes: Uint8Array<ArrayBuffer>): object {
    const module = new engine.Module(bytes);
    const result = rewriteForPreemption(bytes);
    if (!result.shareable) return module;
    const changed = new engine.Module(result.bytes);
    preempted.add(changed);
    return changed;
  }

  function instantiate(module: object, imports: Imports): { readonly exports: Exports } {
    const instance = new engine.Instance(module, imports);
    if (!preempted.has(module)) return instance;
    const { exports } = instance;
    const table = exports[PRIVATE.hooks] as Table;
    table.set(HOOKS.yield, hooks['yield']);
    table.set(HOOKS.grow, hooks['grow']);
    const { buffer } = exports[PRIVATE.epoch] as { readonly buffer: SharedArrayBuffer };
    new Int32Array(buffer)[0] = 1;
    (exports[PRIVATE.start] as (() => void) | undefined)?.();
    return instance;
  }

  // Functions that return an object may be called with new.
  return { Module: constructible(compile), Instance: constructible(instantiate) };
}

function constructible<Args extends unknown[], Result extends object>(
  make: (...args: Args) => Result,
): new (...args: Args) => Result {
  return new Proxy(Object, { construct: (_, args) => make(...(args as Args)) }) as unknown as new (
    ...args: Args
  ) => Result;
}

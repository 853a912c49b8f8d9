import { hookImports, HOOKS, HOOKS_MODULE, PRIVATE } from '../../wasm/rewrite/names.ts';
import type { Guest } from '../engine.ts';
import { uncatchable } from './uncatchable.ts';

/** What guests that were rewritten for shared hosts call (runtime/wasm/rewrite.ts). */
export interface GuestHooks {
  /** The guest gives up its turn, and goes on when this resolves. What it rejects with ends the guest. */
  readonly giveUp: () => Promise<void>;
  /** The guest is about to take memory. What this throws ends the guest. */
  readonly grow: (kind: number, index: number, delta: number) => void;
}

/** Hooks as functions of Wasm, for any number of guests. */
export class HookFunctions {
  readonly #exports: Readonly<Record<string, unknown>>;

  constructor({ giveUp, grow }: GuestHooks) {
    const imports = hookImports<unknown>({
      yield: new WebAssembly.Suspending(uncatchable(giveUp, true)),
      grow: uncatchable(grow, false),
    });
    this.#exports = new WebAssembly.Instance(new WebAssembly.Module(HOOKS_MODULE), imports).exports;
  }

  /**
   * Gives a guest its hooks, before it is called first.
   * @returns the word that asks it to give up its turn, by not being 0
   */
  attach({ exports }: Guest): Int32Array {
    const table = exports[PRIVATE.hooks] as WebAssembly.Table;
    table.set(HOOKS.yield, this.#exports['yield']);
    table.set(HOOKS.grow, this.#exports['grow']);
    return new Int32Array((exports[PRIVATE.epoch] as WebAssembly.Memory).buffer, 0, 1);
  }
}

import { ModuleError } from './module-error.ts';
import type { Module } from './module.ts';
import { analyse } from './rewrite/analysis.ts';
import { assemble } from './rewrite/assemble.ts';
import { whyNotShareable } from './rewrite/refusal.ts';
import type { MemoryType, TableType } from './types.ts';
import { loadModule } from './validate.ts';

export { originalOffset } from './rewrite/offsets.ts';
export { HOOKS, HOOKS_MODULE, hookImports, PRIVATE } from './rewrite/names.ts';

/**
 * The rewriting pass of the shared runtime class: it makes a module that can be stopped and resumed at any time while
 * it computes, and that asks before it takes memory. Done once per digest, off the agent's event loop.
 *
 * How a host runs what comes out (all names are in PRIVATE):
 *
 * 1. It instantiates the module with the imports that it always had. Nothing is renumbered, nothing else is imported.
 * 2. It makes an instance of HOOKS_MODULE with `hookImports({ yield, grow })` and puts its exports into the table that
 *    the guest exports as PRIVATE.hooks, at the places HOOKS.yield and HOOKS.grow. Until then both are null, and a
 *    guest that needs one traps; so this comes before the first call of an export.
 * 3. PRIVATE.start, if there, is the start function, now an export: the host calls it first, through `promising`.
 * 4. Guest code calls `yield` at its next check while the first 32-bit word of the memory exported as PRIVATE.epoch is
 *    not 0. That memory is shared, so another thread sets it: `Atomics.store(new Int32Array(epoch.buffer), 0, 1)`.
 *    `yield` is made with WebAssembly.Suspending; it sets the word back to 0 and returns a promise for the guest's
 *    next turn. What it throws ends the guest (engine/v8/uncatchable.ts).
 * 5. `grow(kind, index, delta)` is called before each growth that the module's own maximum allows: kind 0 is a memory
 *    and delta is in pages of 64 KiB, kind 1 is a table and delta is in elements. It returns to allow the growth, and
 *    throws to end the guest (OOMKilled). A growth beyond the module's own maximum gives -1 and is not asked about.
 *    The sizes at any moment are those of the exports PRIVATE.memory(i) and PRIVATE.table(i), for every memory and
 *    table; those at the beginning are in the result, to be refused before instantiation.
 *
 * Between two checks a guest runs some 10,000 instructions at most, or one bulk instruction on 1 MiB of memory; calls
 * of host functions are the host's to bound, and so are table.fill, table.copy and table.init, by the tables' sizes.
 *
 * What changes beside: debug sections (`.debug_*`), source map links and branch hints go, for their offsets no longer
 * hold; `originalOffset` maps offsets of a stack trace to those of the module as it was built, where the debug
 * information still is. Function indices and the name section stay right; functions that are added come last.
 */
export type Rewriting =
  | {
      readonly shareable: true;
      readonly bytes: Uint8Array<ArrayBuffer>;
      /** As the module declares them: with what it begins, and what it allows itself. */
      readonly memories: readonly MemoryType[];
      readonly tables: readonly TableType[];
    }
  | {
      readonly shareable: false;
      /** For people: completes "the container has a host process of its own because …". */
      readonly reason: string;
    };

/** The one way in which what is added makes a valid module invalid. */
const TOO_LARGE = "the module is at one of V8's limits (functions, bytes of a function, exports): checks do not fit";

/**
 * Rewrites a module so that it can share a host process.
 * @throws ModuleError when the bytes are no valid module (code InvalidArgument)
 */
export function rewriteForPreemption(bytes: Uint8Array<ArrayBuffer>): Rewriting {
  const module = loadOrRefuse(bytes);
  if ('reason' in module) return module;
  const reason = whyNotShareable(module);
  if (reason !== undefined) return { shareable: false, reason };
  const rewritten = assemble(module, analyse(module));
  if (!WebAssembly.validate(rewritten)) return { shareable: false, reason: TOO_LARGE };
  return {
    shareable: true,
    bytes: rewritten,
    memories: module.memories.map(({ type }) => type),
    tables: module.tables.map(({ type }) => type),
  };
}

/**
 * The module has to be valid before anything is added: an index beyond the last would else come to name one of ours.
 * That is worth a second opinion, which takes V8 few milliseconds.
 */
function loadOrRefuse(bytes: Uint8Array<ArrayBuffer>): Module | { readonly shareable: false; readonly reason: string } {
  try {
    const module = loadModule(bytes);
    if (!WebAssembly.validate(bytes)) throw new ModuleError('invalid', 'V8 refuses it', 0);
    return module;
  } catch (error) {
    if (error instanceof ModuleError && error.fault === 'unsupported') {
      return { shareable: false, reason: `the module cannot be rewritten: ${error.rule}` };
    }
    throw error;
  }
}

import { encodeModule, encodeName } from '../encode.ts';
import { START_EXPORT } from '../start-section.ts';

/** What begins so is ours; a module that exports such a name itself is refused. */
export const RESERVED_PREFIX = 'wasmlet:';

/** Exports that the rewriting pass adds. */
export const PRIVATE = {
  /** A shared memory of one page; its first word asks the guest to yield. */
  epoch: `${RESERVED_PREFIX}epoch`,
  /** A table of functions of the host, at the places in HOOKS. */
  hooks: `${RESERVED_PREFIX}hooks`,
  /** What was the start function. */
  start: START_EXPORT,
  memory: (index: number) => `${RESERVED_PREFIX}memory:${index}`,
  table: (index: number) => `${RESERVED_PREFIX}table:${index}`,
} as const;

/** Places in the table of hooks. */
export const HOOKS = { yield: 0, grow: 1 } as const;
export const HOOK_COUNT = 2;

/** `kind` of the grow hook. */
export const GROW_MEMORY = 0;
export const GROW_TABLE = 1;

/** The type of the yield hook: `func`. */
export const YIELD_TYPE = [0x60, 0, 0] as const;
/** The type of the grow hook: `func (param i32 i32 f64)`. */
export const GROW_TYPE = [0x60, 3, 0x7f, 0x7f, 0x7c, 0] as const;

const FUNCTION = 0x00;
const MODULE_NAME = 'hooks';

/**
 * A table takes functions of Wasm only: this module imports the two hooks and exports them again, under the same names.
 * `(module (import "hooks" "yield" (func)) (import "hooks" "grow" (func (param i32 i32 f64))) (export …) (export …))`
 */
export const HOOKS_MODULE: Uint8Array<ArrayBuffer> = encodeModule([
  [1, [2, ...YIELD_TYPE, ...GROW_TYPE]],
  [
    2,
    [
      HOOK_COUNT,
      ...[...encodeName(MODULE_NAME), ...encodeName('yield'), FUNCTION, 0],
      ...[...encodeName(MODULE_NAME), ...encodeName('grow'), FUNCTION, 1],
    ],
  ],
  [7, [HOOK_COUNT, ...encodeName('yield'), FUNCTION, 0, ...encodeName('grow'), FUNCTION, 1]],
]);

export interface Hooks<Function> {
  readonly yield: Function;
  readonly grow: Function;
}

/** The import object of HOOKS_MODULE. */
export function hookImports<Function>(hooks: Hooks<Function>): Record<string, Record<string, Function>> {
  return { [MODULE_NAME]: { yield: hooks.yield, grow: hooks.grow } };
}

import { HOOKS, HOOKS_MODULE, hookImports, PRIVATE, rewriteForPreemption } from '../rewrite.ts';

/** For tests: what a hook does; each call is counted. */
export interface TestHooks {
  /** Called at each yield; default: lets the guest go on. */
  readonly yield?: (word: Int32Array) => void;
  readonly grow?: (kind: number, index: number, delta: number) => void;
  readonly imports?: Record<string, Record<string, unknown>>;
}

export interface RewrittenGuest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly exports: Readonly<Record<string, (...args: unknown[]) => unknown>>;
  /** Not 0: yield is called at each check. */
  readonly word: Int32Array<SharedArrayBuffer>;
  readonly yields: () => number;
}

interface Table {
  set(index: number, value: unknown): void;
}

/** For tests: rewrites a module and links its hooks, as the host of a shared class does, but without suspending. */
export async function rewrittenGuest(module: Uint8Array<ArrayBuffer>, hooks: TestHooks = {}): Promise<RewrittenGuest> {
  const rewritten = rewriteForPreemption(module);
  if (!rewritten.shareable) throw new Error(rewritten.reason);
  const { exports } = await WebAssembly.instantiate(new WebAssembly.Module(rewritten.bytes), hooks.imports ?? {});
  const word = new Int32Array((exports[PRIVATE.epoch] as { buffer: SharedArrayBuffer }).buffer);
  let yields = 0;
  const hooked = await WebAssembly.instantiate(
    new WebAssembly.Module(HOOKS_MODULE),
    hookImports<(...args: never[]) => void>({
      yield: () => {
        yields++;
        hooks.yield?.(word);
      },
      grow: (kind: number, index: number, delta: number) => hooks.grow?.(kind, index, delta),
    }),
  );
  const table = exports[PRIVATE.hooks] as Table;
  table.set(HOOKS.yield, hooked.exports['yield']);
  table.set(HOOKS.grow, hooked.exports['grow']);
  return {
    bytes: rewritten.bytes,
    exports: exports as RewrittenGuest['exports'],
    word,
    yields: () => yields,
  };
}

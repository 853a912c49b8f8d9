import type { CompiledModule } from '../../engine/engine.ts';

/** @param original path of the module as it was built, where that has line numbers */
export type Compile = (path: string, original?: string) => Promise<CompiledModule>;

/**
 * Modules by the path of their file, whose name is the digest of its content: guests of one image share the code. A
 * module is kept for as long as a guest of it is.
 */
export class ModuleCache {
  readonly #compile: Compile;
  readonly #compiling = new Map<string, Promise<CompiledModule>>();
  readonly #modules = new Map<string, WeakRef<CompiledModule>>();
  readonly #forgotten = new FinalizationRegistry<string>((path) => {
    if (this.#modules.get(path)?.deref() === undefined) this.#modules.delete(path);
  });

  constructor(compile: Compile) {
    this.#compile = compile;
  }

  /** @throws what compiling throws; it is tried again the next time */
  async get(path: string, original?: string): Promise<CompiledModule> {
    const known = this.#modules.get(path)?.deref();
    if (known !== undefined) return known;
    const compiling = this.#compiling.get(path) ?? this.#compile(path, original);
    this.#compiling.set(path, compiling);
    try {
      const module = await compiling;
      if (this.#modules.get(path)?.deref() !== module) {
        this.#modules.set(path, new WeakRef(module));
        this.#forgotten.register(module, path);
      }
      return module;
    } finally {
      this.#compiling.delete(path);
    }
  }
}

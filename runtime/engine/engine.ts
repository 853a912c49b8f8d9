/**
 * What a Wasm engine is to the runtime: V8 now, the interpreter later. The host process (runtime/host) is the only
 * user. Everything a guest can reach comes in as imports made by wasi/.
 */

/**
 * A function that a guest calls. `suspends`: it may return a promise, and the guest waits for it. What it throws ends
 * the guest: no exception handler of the guest's own stops it.
 */
export interface HostFunction {
  readonly suspends: boolean;
  readonly call: (...args: never[]) => unknown;
}

/** Import module name -> function name -> function. */
export type HostImports = Readonly<Record<string, Readonly<Record<string, HostFunction>>>>;

/** The same imports with each function changed. */
export const mapFunctions = (imports: HostImports, change: (given: HostFunction) => HostFunction): HostImports =>
  Object.fromEntries(
    Object.entries(imports).map(([module, functions]) => [
      module,
      Object.fromEntries(Object.entries(functions).map(([name, given]) => [name, change(given)])),
    ]),
  );

export interface GuestMemory {
  /** The guest's linear memory as it is now; ask anew after anything that may have grown it. */
  readonly buffer: ArrayBufferLike;
}

/** A call of a guest's that is under way. */
export interface GuestFrame {
  readonly function: string;
  /** Offset in the module of the instruction: the next one of the innermost frame, else the call. */
  readonly offset: number;
  /** 'main.c:12:3', where the module tells it. */
  readonly line?: string;
  /** Parameters and locals; values as text. */
  readonly locals: readonly { readonly name: string; readonly type: string; readonly value: string }[];
}

/** What an engine can do with a guest that runs, if it can stand still and be looked into. */
export interface GuestControl {
  /** Resolves when the guest stands still; or waits for the host, and will stand still behind that. */
  pause(): Promise<void>;
  /** Lets a guest go on that stands still. */
  proceed(): void;
  /** Its calls, innermost first. */
  stack(): GuestFrame[];
  /** Samples what it computes for so long, by fuel. @returns the profile in pprof's form */
  profile(milliseconds: number): Promise<Uint8Array>;
  /**
   * Its whole state; it goes on behind that, unless it was paused before.
   * @throws WasmletError FailedPrecondition where a part of it is outside of the guest
   */
  checkpoint(): Promise<Uint8Array>;
}

export interface Guest {
  /** The memory that the module exports as 'memory'. */
  readonly memory: GuestMemory;
  /** All that the module exports, as the engine has it: for what a rewriting has added (runtime/host/shared). */
  readonly exports: Readonly<Record<string, unknown>>;
  /**
   * Calls the exported function (for WASI commands `_start`), and resolves when it returns.
   * @throws GuestTrap; and whatever a host function threw (an exit), unchanged
   */
  run(exportName: string): Promise<void>;
  /**
   * Of an engine that counts what a guest computes: `report` gets the fuel used so far, now and then (at the most once a
   * second) and when a run ends.
   */
  watchFuel?(report: (used: number) => void): void;
  /** Of such an engine: what it may compute at the most; then it traps, before the first instruction beyond. */
  limitFuel?(limit: number): void;
  /** Where the engine can. */
  readonly control?: GuestControl;
}

export interface CompiledModule {
  readonly imports: readonly { readonly module: string; readonly name: string; readonly kind: string }[];
  readonly exports: readonly { readonly name: string; readonly kind: string }[];
  /** Whether it imports a shared memory: its threads run in workers, and `exports` of its guest is empty. */
  readonly usesThreads?: boolean;
  /**
   * Links a module to its imports. A function that the imports lack makes this throw, naming it.
   * @throws WasmletError InvalidArgument
   */
  instantiate(imports: HostImports): Promise<Guest>;
}

export interface Engine {
  readonly name: 'v8' | 'interpreter';
  /**
   * @param lines tells of line numbers in the source what the bytes themselves do not; by offsets in them
   * @throws WasmletError InvalidArgument when the bytes are no valid module; the message says why and at what offset
   */
  compile(
    bytes: Uint8Array<ArrayBuffer>,
    lines?: (offsets: readonly number[]) => ReadonlyMap<number, string>,
  ): Promise<CompiledModule>;
}

/** A trap: the guest is dead. */
export class GuestTrap extends Error {
  /** Innermost first; names from the module's name section, else 'wasm-function[N]'; '(file:line:column)' after it. */
  readonly frames: readonly string[];

  constructor(message: string, frames: readonly string[], options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'GuestTrap';
    this.frames = frames;
  }
}

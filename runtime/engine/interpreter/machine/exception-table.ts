import { SLOT, STACK_START } from '../core/layout.ts';
import { isExceptionReference } from './exceptions.ts';
import type { Store } from './store.ts';

/** An exception of the guest's, thrown or kept by an exnref. */
export interface GuestException {
  readonly tag: number;
  /** The slots of its values, one after another. */
  readonly payload: Uint8Array;
}

/** How many are kept before it is looked which are still referred to. */
const FIRST_SWEEP = 1024;

/** Exceptions that exnrefs may refer to, by handle; 0 is null. Those that nothing refers to are forgotten in time. */
export class ExceptionTable {
  readonly #store: Store;
  #exceptions: (GuestException | undefined)[] = [undefined];
  readonly #handles = new Map<GuestException, number>();
  readonly #free: number[] = [];
  #sweepAt = FIRST_SWEEP;

  constructor(store: Store) {
    this.#store = store;
  }

  get(handle: number): GuestException | undefined {
    return this.#exceptions[handle];
  }

  /** How many are kept. */
  get size(): number {
    return this.#handles.size;
  }

  /** By handle, as a save has them. */
  get all(): readonly (GuestException | undefined)[] {
    return this.#exceptions;
  }

  restore(exceptions: readonly (GuestException | undefined)[]): void {
    this.#exceptions = [...exceptions];
    this.#handles.clear();
    this.#free.length = 0;
    for (const [handle, exception] of exceptions.entries()) {
      if (exception !== undefined) this.#handles.set(exception, handle);
      else if (handle !== 0) this.#free.push(handle);
    }
  }

  /**
   * The handle of an exception.
   * @param stackEnd the end of all frames in use
   */
  keep(exception: GuestException, stackEnd: number): number {
    const known = this.#handles.get(exception);
    if (known !== undefined) return known;
    if (this.#handles.size >= this.#sweepAt) this.#sweep(stackEnd);
    const handle = this.#free.pop() ?? this.#exceptions.length;
    this.#exceptions[handle] = exception;
    this.#handles.set(exception, handle);
    return handle;
  }

  /** Forgets what no slot can refer to. A number in a slot that looks like a handle keeps one too long, which is no harm. */
  #sweep(stackEnd: number): void {
    const referred = this.#referred(stackEnd);
    for (const [exception, handle] of this.#handles) {
      if (referred.has(handle)) continue;
      this.#handles.delete(exception);
      this.#exceptions[handle] = undefined;
      this.#free.push(handle);
    }
    this.#sweepAt = Math.max(FIRST_SWEEP, this.#handles.size * 2);
  }

  #referred(stackEnd: number): ReadonlySet<number> {
    const { state, tables, instances } = this.#store;
    const referred = new Set<number>();
    for (let at = STACK_START; at < stackEnd; at += SLOT) referred.add(state.u32(at));
    for (const table of tables.values()) {
      if (!isExceptionReference(table.type.element)) continue;
      for (let index = 0; index < table.length; index++) referred.add(table.get(index));
    }
    for (const instance of instances) {
      for (const [index, { type }] of (instance?.module.globals ?? []).entries()) {
        if (isExceptionReference(type.type)) referred.add(state.u32(instance?.global(index) ?? 0));
      }
    }
    return referred;
  }
}

/** References to things of the host: in slots and tables they are numbers, 0 is null. */
export class References {
  readonly #values: unknown[] = [null];
  readonly #handles = new Map<unknown, number>();

  /** The number of a value; the same for the same value. */
  handle(value: unknown): number {
    if (value === null) return 0;
    let handle = this.#handles.get(value);
    if (handle === undefined) {
      handle = this.#values.push(value) - 1;
      this.#handles.set(value, handle);
    }
    return handle;
  }

  value(handle: number): unknown {
    return this.#values[handle];
  }

  get size(): number {
    return this.#values.length - 1;
  }
}

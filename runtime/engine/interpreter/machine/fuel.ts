/** Fuel of a slice when nobody says otherwise: some tens of milliseconds. V8 replaces its first code between slices. */
export const SLICE = 5_000_000;

/** The core counts with 32 bits: what is granted at once stays far below. */
const MAX_SLICE = 2 ** 30;

/**
 * How much a guest may still compute. The unit is an instruction of Wasm, but for `block`, `loop`, `else`, `end`, `try`,
 * `nop` and `drop`, which are free (as in wasmtime).
 */
export class Fuel {
  /** In all, until the guest is stopped. */
  limit = Infinity;
  /** Fuel between two looks at the world outside. */
  slice = SLICE;
  /** What has been handed to the core so far. */
  granted = 0;

  /** What may be handed to the core now; 0 at the limit. */
  grant(): number {
    const amount = Math.min(this.slice, MAX_SLICE, this.limit - this.granted);
    this.granted += amount;
    return amount;
  }
}

/**
 * `(module (func (export "t") unreachable))`: whoever calls t gets the RuntimeError of a trap.
 */
const TRAPPING_MODULE = [
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x07, 0x05, 0x01, 0x01, 0x74, 0x00, 0x00],
  ...[0x0a, 0x05, 0x01, 0x03, 0x00, 0x00, 0x0b],
];

const trap = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(TRAPPING_MODULE))).exports[
  't'
] as () => void;

/** What was thrown, by the trap that carries it through the guest. */
const carried = new WeakMap<object, unknown>();

/**
 * The host function, so that no `catch_all` of the guest stops what it throws (WebAssembly core specification,
 * exceptions): a guest that calls proc_exit must end, whatever handlers surround the call, and an internal fault is
 * none of the guest's business either. An ordinary JavaScript exception can be caught by the guest; the error of a trap
 * cannot, so such a one carries it. `released` gives back what was thrown.
 */
export function uncatchable(call: (...args: never[]) => unknown, suspends: boolean): (...args: never[]) => unknown {
  if (!suspends) {
    return (...args) => {
      try {
        return call(...args);
      } catch (error) {
        throw carrierOf(error);
      }
    };
  }
  return (...args) => {
    try {
      const result = call(...args);
      if (!(result instanceof Promise)) return result;
      return result.catch((error: unknown) => {
        throw carrierOf(error);
      });
    } catch (error) {
      throw carrierOf(error);
    }
  };
}

/** What a host function threw, given what came out of the guest. */
export function released(error: unknown): unknown {
  return error instanceof WebAssembly.RuntimeError && carried.has(error) ? carried.get(error) : error;
}

function carrierOf(error: unknown): Error {
  try {
    trap();
  } catch (carrier) {
    carried.set(carrier as Error, error);
    return carrier as Error;
  }
  throw new Error('unreachable did not trap', { cause: error });
}

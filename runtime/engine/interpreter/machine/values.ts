import {
  F32,
  F64,
  I32,
  I64,
  isRef,
  typeIndexOf,
  heapOf,
  FUNC,
  NOFUNC,
  V128,
  type ValueType,
} from '../../../wasm/types.ts';
import type { Constant } from '../lower/values.ts';
import type { State } from './state.ts';

/** What a value is in JavaScript: references to functions are their records. */
export type Value =
  number | bigint | Uint8Array | FunctionReference | null | undefined | object | string | boolean | symbol;

/** A function of the store, as a value. */
export interface FunctionReference {
  readonly record: number;
}

/** What the host gives for references. */
export interface ReferenceTable {
  handle(value: unknown): number;
  value(handle: number): unknown;
}

/** Whether a reference is a function's: then its handle is the record. */
export function isFunctionReference(type: ValueType): boolean {
  if (!isRef(type)) return false;
  const heap = heapOf(type);
  return heap === FUNC || heap === NOFUNC || typeIndexOf(heap) !== undefined;
}

/** Writes the bits of a constant. */
export function writeBits(state: State, address: number, bits: Constant): void {
  if (bits instanceof Uint8Array) state.bytes.set(bits, address);
  else if (typeof bits === 'bigint') state.view.setBigInt64(address, bits, true);
  else state.view.setInt32(address, bits, true);
}

/** The bits at an address, for a value of the type. */
export function readBits(state: State, address: number, type: ValueType): Constant {
  if (type === V128) return state.bytes.slice(address, address + 16);
  return type === I64 || type === F64 ? state.view.getBigInt64(address, true) : state.view.getInt32(address, true);
}

/** Writes a value of JavaScript (JS API specification, "ToWebAssemblyValue"). */
export function writeNumber(state: State, address: number, type: ValueType, value: unknown): void {
  if (type === I32) state.view.setInt32(address, Number(value), true);
  else if (type === I64) state.view.setBigInt64(address, BigInt.asIntN(64, value as bigint), true);
  else if (type === F32) state.view.setFloat32(address, Number(value), true);
  else if (type === F64) state.view.setFloat64(address, Number(value), true);
  else if (value instanceof Uint8Array) state.bytes.set(value, address);
}

/** A number, or a vector's bytes, as JavaScript has it (JS API specification, "ToJSValue"). */
export function readNumber(state: State, address: number, type: ValueType): number | bigint | Uint8Array {
  if (type === I32) return state.view.getInt32(address, true);
  if (type === I64) return state.view.getBigInt64(address, true);
  if (type === F32) return state.view.getFloat32(address, true);
  if (type === F64) return state.view.getFloat64(address, true);
  return state.bytes.slice(address, address + 16);
}

import { encodeModule, encodeName, encodeValueType, u32 } from '../../runtime/wasm/encode.ts';
import { opcodeByName } from '../../runtime/wasm/opcodes.ts';
import {
  EXNREF,
  F32,
  F64,
  type FunctionType,
  heapOf,
  I32,
  I64,
  isRef,
  typeIndexOf,
  V128,
  type ValueType,
} from '../../runtime/wasm/types.ts';
import type { SpecEngine } from './engine.ts';
import { type Bits, NON_NULL } from './values.ts';

type Callable = (...args: unknown[]) => unknown;

/** How a value of a type passes through JavaScript: as integers of these types, or as itself. */
function passing(type: ValueType): readonly ValueType[] {
  if (type === F32 || type === EXNREF) return [I32];
  if (type === F64) return [I64];
  return type === V128 ? [I64, I64] : [type];
}

const code = (name: string, ...immediates: number[]): number[] => {
  const { code } = opcodeByName(name);
  const head = code < 0x1000 ? [code] : [Math.floor(code / 0x1000), ...u32(code % 0x1000)];
  return [...head, ...immediates.flatMap(u32)];
};
const get = (local: number): number[] => code('local.get', local);

/** From integers in locals to the value itself. */
function put(type: ValueType, local: number): number[] {
  if (type === F32) return [...get(local), ...code('f32.reinterpret_i32')];
  if (type === F64) return [...get(local), ...code('f64.reinterpret_i64')];
  if (type === EXNREF) return [...code('ref.null'), 0x69];
  if (type !== V128) return get(local);
  return [...get(local), ...code('i64x2.splat'), ...get(local + 1), ...code('i64x2.replace_lane', 1)];
}

/** From the value in a local to integers. */
function take(type: ValueType, local: number): number[] {
  if (type === F32) return [...get(local), ...code('i32.reinterpret_f32')];
  if (type === F64) return [...get(local), ...code('i64.reinterpret_f64')];
  if (type === EXNREF) return [...get(local), ...code('ref.is_null')];
  if (type !== V128) return get(local);
  return [0, 1].flatMap((lane) => [...get(local), ...code('i64x2.extract_lane', lane)]);
}

const vector = (types: readonly ValueType[]): number[] => [...u32(types.length), ...types.flatMap(encodeValueType)];

/** A module that imports a function of a type, and exports one that passes its values as integers. */
function adapterFor({ parameters, results }: FunctionType): Uint8Array<ArrayBuffer> {
  const [passed, given] = [parameters.flatMap(passing), results.flatMap(passing)];
  let next = 0;
  const puts = parameters.flatMap((type) => {
    const local = next;
    next += passing(type).length;
    return put(type, local);
  });
  const sets = results.map((_, index) => code('local.set', passed.length + index)).toReversed();
  const takes = results.flatMap((type, index) => take(type, passed.length + index));
  const locals = [...u32(results.length), ...results.flatMap((type) => [1, ...encodeValueType(type)])];
  const body = [...locals, ...puts, ...code('call', 0), ...sets.flat(), ...takes, ...code('end')];
  return encodeModule([
    [1, [2, ...[0x60, ...vector(parameters), ...vector(results)], ...[0x60, ...vector(passed), ...vector(given)]]],
    [2, [1, ...encodeName('m'), ...encodeName('f'), 0, 0]],
    [3, [1, 1]],
    [7, [1, ...encodeName('f'), 0, 1]],
    [10, [1, ...u32(body.length), ...body]],
  ]);
}

/** JavaScript loses the bits of NaNs, and knows neither vectors nor exception references. */
function needsAdapter({ parameters, results }: FunctionType): boolean {
  const types = [...parameters, ...results];
  const named = (type: ValueType): boolean => isRef(type) && typeIndexOf(heapOf(type)) !== undefined;
  return !types.some(named) && types.some((type) => [F32, F64, V128, EXNREF].includes(type));
}

/** A function of a guest, called with the bits of its arguments. @returns the bits of its results */
export function exactCall(engine: SpecEngine, callee: Callable, type: FunctionType): (args: readonly Bits[]) => Bits[] {
  let call = callee;
  const adapted = needsAdapter(type);
  if (adapted) {
    const adapter = new engine.Instance(new engine.Module(adapterFor(type)), { m: { f: callee } });
    call = adapter.exports['f'] as Callable;
  }
  const types = adapted ? type : { parameters: type.parameters, results: type.results };
  return (args) => {
    const passed = types.parameters.flatMap((parameter, index) => toJavaScript(parameter, args[index] ?? null));
    const returned = call(...passed);
    const values: unknown[] = types.results.length === 0 ? [] : asArray(returned);
    return types.results.map((result) => fromJavaScript(result, values));
  };
}

const asArray = (value: unknown): unknown[] => (Array.isArray(value) ? [...(value as unknown[])] : [value]);

function toJavaScript(type: ValueType, bits: Bits): unknown[] {
  if (type === I32 || type === F32) return [Number(bits) | 0];
  if (type === I64 || type === F64) return [BigInt.asIntN(64, bits as bigint)];
  if (type === EXNREF) return [0];
  if (type !== V128) return [bits];
  return [BigInt.asIntN(64, bits as bigint), BigInt.asIntN(64, (bits as bigint) >> 64n)];
}

/** Takes the values of one result from the front. */
function fromJavaScript(type: ValueType, values: unknown[]): Bits {
  const value = values.shift();
  if (type === I32 || type === F32) return BigInt.asUintN(32, BigInt(value as number));
  if (type === I64 || type === F64) return BigInt.asUintN(64, value as bigint);
  if (type === EXNREF) return value === 1 ? null : NON_NULL;
  if (type !== V128) return value as Bits;
  return BigInt.asUintN(64, value as bigint) | (BigInt.asUintN(64, values.shift() as bigint) << 64n);
}

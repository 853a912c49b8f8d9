import type { Value } from './suite.ts';

/**
 * A value as it passes between a test and a guest, exact to the bit: numbers and vectors by their bits without a sign,
 * references as they are in JavaScript; an exception reference that is not null is NON_NULL.
 */
export type Bits = bigint | object | string | null;

export const NON_NULL = 'not null';

const LANE_BITS: Readonly<Record<string, number>> = { i8: 8, i16: 16, i32: 32, i64: 64, f32: 32, f64: 64 };
/** Bits of the mantissa: a NaN's highest is set in a canonical and an arithmetic one. */
const MANTISSA_BITS: Readonly<Record<string, bigint>> = { f32: 23n, f64: 52n };

/** The argument that a value of the suite stands for. */
export function argument(value: Value): Bits {
  if (value.type === 'v128') return vector(value);
  const bits = LANE_BITS[value.type];
  if (bits !== undefined) return BigInt.asUintN(bits, BigInt(value.value as string));
  return reference(value);
}

/** A reference of the host's by its number: a text, for texts are told apart by what they are. */
function reference({ value }: Value): Bits {
  return value === undefined || value === 'null' ? null : `host reference ${String(value)}`;
}

function lanesOf(value: Value): Value[] {
  return (value.value as readonly string[]).map((lane) => ({ type: value.lane_type ?? '', value: lane }));
}

function vector(value: Value): bigint {
  return lanesOf(value).reduceRight((high, lane) => {
    const width = BigInt(LANE_BITS[lane.type] ?? 0);
    return (high << width) | (argument(lane) as bigint);
  }, 0n);
}

/** Whether a result is what the suite expects. */
export function matches(result: Bits | undefined, expected: Value): boolean {
  if (result === undefined) return false;
  if (expected.type === 'either') return (expected.values ?? []).some((one) => matches(result, one));
  if (expected.type === 'v128') return matchesVector(result as bigint, expected);
  const bits = LANE_BITS[expected.type];
  if (bits !== undefined) return matchesNumber(result as bigint, expected);
  return matchesReference(result, expected);
}

function matchesNumber(result: bigint, expected: Value): boolean {
  const { type, value } = expected;
  if (value !== 'nan:canonical' && value !== 'nan:arithmetic') return result === argument(expected);
  const mantissaBits = MANTISSA_BITS[type] ?? 0n;
  const width = BigInt(LANE_BITS[type] ?? 0);
  const mantissa = BigInt.asUintN(Number(mantissaBits), result);
  const exponent = BigInt.asUintN(Number(width - mantissaBits - 1n), result >> mantissaBits);
  if (exponent !== (1n << (width - mantissaBits - 1n)) - 1n) return false;
  const quiet = 1n << (mantissaBits - 1n);
  return value === 'nan:canonical' ? mantissa === quiet : mantissa >= quiet;
}

function matchesVector(result: bigint, expected: Value): boolean {
  let rest = result;
  return lanesOf(expected).every((lane) => {
    const width = LANE_BITS[lane.type] ?? 0;
    const bits = BigInt.asUintN(width, rest);
    rest >>= BigInt(width);
    return matchesNumber(bits, lane);
  });
}

/** Expected without a value: `(ref.null …)` for the types that have null alone, else any that is not null. */
function matchesReference(result: Bits, { type, value }: Value): boolean {
  if (value !== undefined) return result === reference({ type, value });
  const nullAlone = type === 'refnull' || type.startsWith('null');
  return nullAlone ? result === null : result !== null;
}

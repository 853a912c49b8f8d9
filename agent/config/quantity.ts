import { WasmletError } from '../../base/errors.ts';

/**
 * Kubernetes quantities (apimachinery pkg/api/resource): exact, down to a billionth; what is finer is rounded up, as
 * there.
 */

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export interface Quantity {
  /** Billionths. */
  readonly nanos: bigint;
  /** How it was written, and so how it is printed. */
  readonly format: QuantityFormat;
}

const NANO = 1_000_000_000n;
const DECIMAL_SUFFIXES = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const BINARY_SUFFIXES = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const PATTERN = /^([+-]?)(\d*)(?:\.(\d*))?(?:([eE])([+-]?\d{1,3})|([KMGTPE]i)|([numkMGTPE]?))$/;

/**
 * Parses a quantity such as '500m', '1.5Gi', '2e3'.
 * @throws WasmletError InvalidArgument when it is not one
 */
export function parseQuantity(text: string): Quantity {
  const quantity = asQuantity(text);
  if (quantity) return quantity;
  throw new WasmletError('InvalidArgument', `${JSON.stringify(text)} is not a quantity, for example 500m or 1Gi`);
}

/** As parseQuantity. @returns undefined for what is no quantity */
export function asQuantity(text: string): Quantity | undefined {
  const match = PATTERN.exec(text);
  const [, sign, whole = '', fraction = '', , exponent, binary, decimal = ''] = match ?? [];
  if (!match || (whole === '' && fraction === '') || text.length > 64) return undefined;
  const { multiplier, divisor, format } = scaleOf(exponent, binary, decimal);
  const numerator = BigInt(whole + fraction) * multiplier * NANO;
  const nanos = divideUp(numerator, divisor * 10n ** BigInt(fraction.length));
  return { nanos: sign === '-' ? -nanos : nanos, format };
}

interface Scale {
  readonly multiplier: bigint;
  readonly divisor: bigint;
  readonly format: QuantityFormat;
}

function scaleOf(exponent: string | undefined, binary: string | undefined, decimal: string): Scale {
  if (exponent !== undefined) return { ...powerOfTen(Number(exponent)), format: 'DecimalExponent' };
  if (binary !== undefined) {
    return { multiplier: 1024n ** BigInt(BINARY_SUFFIXES.indexOf(binary) + 1), divisor: 1n, format: 'BinarySI' };
  }
  return { ...powerOfTen((DECIMAL_SUFFIXES.indexOf(decimal) - 3) * 3), format: 'DecimalSI' };
}

const powerOfTen = (exponent: number) =>
  exponent >= 0
    ? { multiplier: 10n ** BigInt(exponent), divisor: 1n }
    : { multiplier: 1n, divisor: 10n ** BigInt(-exponent) };

/** A quantity of whole units: bytes, pods. */
export const quantityOf = (value: bigint | number, format: QuantityFormat = 'DecimalSI'): Quantity => ({
  nanos: BigInt(value) * NANO,
  format,
});

/** A quantity of thousandths: milli-CPUs. */
export const milliQuantityOf = (millis: bigint | number): Quantity => ({
  nanos: BigInt(millis) * 1_000_000n,
  format: 'DecimalSI',
});

/** Whole units, rounded up (Quantity.Value). */
export const valueOf = (quantity: Quantity): bigint => divideUp(quantity.nanos, NANO);

/** Thousandths, rounded up (Quantity.MilliValue). */
export const milliValueOf = (quantity: Quantity): bigint => divideUp(quantity.nanos, 1_000_000n);

/** Parses a quantity of bytes to a number. @throws WasmletError InvalidArgument */
export const parseBytes = (text: string): number => Number(valueOf(parseQuantity(text)));

/** a - b, not below zero; printed as a. */
export function subtract(a: Quantity, b: Quantity): Quantity {
  return { nanos: a.nanos > b.nanos ? a.nanos - b.nanos : 0n, format: a.format };
}

/**
 * The canonical text (Quantity.String): no fraction, the largest suffix that keeps it exact. A BinarySI quantity that
 * is no whole number, or is less than 1024, is printed as DecimalSI.
 */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return '0';
  const magnitude = nanos < 0n ? -nanos : nanos;
  const sign = nanos < 0n ? '-' : '';
  if (format === 'BinarySI' && magnitude >= 1024n * NANO && magnitude % NANO === 0n) {
    return sign + formatBinary(magnitude / NANO);
  }
  const { digits, thousands } = reduce(magnitude, 1000n, DECIMAL_SUFFIXES.length - 1);
  if (format !== 'DecimalExponent') return `${sign}${digits}${DECIMAL_SUFFIXES[thousands] ?? ''}`;
  const exponent = (thousands - 3) * 3;
  return `${sign}${digits}${exponent === 0 ? '' : `e${exponent}`}`;
}

function formatBinary(value: bigint): string {
  const { digits, thousands } = reduce(value, 1024n, BINARY_SUFFIXES.length);
  return `${digits}${thousands === 0 ? '' : (BINARY_SUFFIXES[thousands - 1] ?? '')}`;
}

/** Divides by `base` as long as nothing remains, at most `most` times. */
function reduce(value: bigint, base: bigint, most: number): { digits: bigint; thousands: number } {
  let digits = value;
  let thousands = 0;
  while (thousands < most && digits % base === 0n) {
    digits /= base;
    thousands += 1;
  }
  return { digits, thousands };
}

/** Rounds away from zero, as apimachinery does. */
function divideUp(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  const remainder = value % divisor;
  if (remainder === 0n) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}

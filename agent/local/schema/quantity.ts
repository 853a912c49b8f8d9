/** Exponents of the suffixes: powers of 1024, and of 1000. */
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const;
const DECIMAL = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const;
/** Values are counted in billionths, the smallest that a quantity can tell apart. */
const NANO = 1_000_000_000n;

const FORM = /^([+-]?)(\d*)(?:\.(\d*))?(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d{1,3})?$/;

interface Parsed {
  readonly nano: bigint;
  readonly form: 'binary' | 'decimal' | 'exponent';
}

function parse(text: string): Parsed | undefined {
  const [, sign = '', whole = '', fraction = '', suffix = ''] = FORM.exec(text) ?? [];
  if (whole === '' && fraction === '') return undefined;
  const digits = BigInt(whole + fraction);
  const signed = sign === '-' ? -digits : digits;
  const binary = BINARY.indexOf(suffix as (typeof BINARY)[number]);
  if (suffix !== '' && binary > 0) {
    return { nano: scale(signed * NANO * 1024n ** BigInt(binary), -fraction.length), form: 'binary' };
  }
  const exponent = /^[eE][+-]?\d+$/.test(suffix) ? Number(suffix.slice(1)) : undefined;
  const power = exponent ?? (DECIMAL.indexOf(suffix as (typeof DECIMAL)[number]) - 3) * 3;
  if (Math.abs(power) > 30) return undefined;
  return { nano: scale(signed * NANO, power - fraction.length), form: exponent === undefined ? 'decimal' : 'exponent' };
}

/** Times ten to the power; what is smaller than a billionth is rounded up, as apimachinery does. */
function scale(value: bigint, power: number): bigint {
  if (power >= 0) return value * 10n ** BigInt(power);
  const divisor = 10n ** BigInt(-power);
  const quotient = value / divisor;
  return value % divisor === 0n || value < 0n ? quotient : quotient + 1n;
}

/**
 * A quantity in its canonical form (apimachinery pkg/api/resource, CanonicalizeBytes): '1000m' is '1', '2048Ki' is '2Mi'.
 * @returns undefined for what is no quantity
 */
export function canonicalQuantity(text: string): string | undefined {
  const parsed = parse(text.trim());
  if (!parsed) return undefined;
  const { nano, form } = parsed;
  if (nano === 0n) return '0';
  if (form === 'exponent') return exponentForm(nano);
  return (form === 'binary' ? binaryForm(nano) : undefined) ?? decimalForm(nano);
}

function binaryForm(nano: bigint): string | undefined {
  if (nano % NANO !== 0n || abs(nano) < NANO * 1024n) return undefined;
  let value = nano / NANO;
  let power = 0;
  while (value % 1024n === 0n && power < BINARY.length - 1) {
    value /= 1024n;
    power += 1;
  }
  return `${value}${BINARY[power] ?? ''}`;
}

/** Mantissa without trailing thousands, and how many of them were taken off. */
function thousands(nano: bigint): { value: bigint; power: number } {
  let value = nano;
  let power = 0;
  while (value % 1000n === 0n && power < DECIMAL.length - 1) {
    value /= 1000n;
    power += 1;
  }
  return { value, power };
}

function decimalForm(nano: bigint): string {
  const { value, power } = thousands(nano);
  return `${value}${DECIMAL[power] ?? ''}`;
}

function exponentForm(nano: bigint): string {
  const { value, power } = thousands(nano);
  const exponent = power * 3 - 9;
  return exponent === 0 ? String(value) : `${value}e${exponent}`;
}

const abs = (value: bigint): bigint => (value < 0n ? -value : value);

/** The value in billionths. @returns undefined for what is no quantity */
export const nanoOf = (text: string): bigint | undefined => parse(text.trim())?.nano;

/** A point in time with nanoseconds, which neither Date nor a double can hold. */
export interface Instant {
  /** Whole seconds since the epoch. */
  readonly seconds: number;
  /** 0–999 999 999 */
  readonly nanoseconds: number;
}

/** Width of RFC 3339 with nine digits of fraction in UTC: '2006-01-02T15:04:05.000000000Z'. */
export const UTC_WIDTH = 30;
/** The same with an offset: '2006-01-02T15:04:05.000000000+07:00'. */
export const OFFSET_WIDTH = 35;
const SECONDS_WIDTH = 19;
const FRACTION_DIGITS = 9;

const [ZERO, NINE, DASH, PLUS, DOT, COLON, T, Z] = [0x30, 0x39, 0x2d, 0x2b, 0x2e, 0x3a, 0x54, 0x5a];

/** Whether bytes look like RFC 3339 ('2006-01-02T15:04:05…'); cheap, for it is asked of each line. */
export function isTimestamp(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    end - start > SECONDS_WIDTH &&
    bytes[start + 4] === DASH &&
    bytes[start + 7] === DASH &&
    bytes[start + 10] === T &&
    bytes[start + 13] === COLON &&
    bytes[start + 16] === COLON
  );
}

function number(bytes: Uint8Array, start: number, digits: number): number {
  let value = 0;
  for (let index = start; index < start + digits; index++) value = value * 10 + ((bytes[index] ?? 0) - ZERO);
  return value;
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= ZERO && byte <= NINE;

/** Where the fraction's digits end. */
function endOfFraction(bytes: Uint8Array, start: number, end: number): number {
  let at = start + SECONDS_WIDTH;
  if (bytes[at] !== DOT) return at;
  at++;
  while (at < end && isDigit(bytes[at])) at++;
  return at;
}

/**
 * Whether the timestamp is earlier than an instant.
 * @param bytes holds a timestamp for which isTimestamp is true
 */
export function isBefore(bytes: Uint8Array, start: number, end: number, than: Instant): boolean {
  let seconds =
    Date.UTC(
      number(bytes, start, 4),
      number(bytes, start + 5, 2) - 1,
      number(bytes, start + 8, 2),
      number(bytes, start + 11, 2),
      number(bytes, start + 14, 2),
      number(bytes, start + 17, 2),
    ) / 1000;
  const fractionEnd = endOfFraction(bytes, start, end);
  const sign = bytes[fractionEnd];
  if (sign === PLUS || sign === DASH) {
    const offset = number(bytes, fractionEnd + 1, 2) * 3600 + number(bytes, fractionEnd + 4, 2) * 60;
    seconds -= sign === PLUS ? offset : -offset;
  }
  if (seconds !== than.seconds) return seconds < than.seconds;
  const digits = Math.max(0, Math.min(FRACTION_DIGITS, fractionEnd - start - SECONDS_WIDTH - 1));
  return number(bytes, start + SECONDS_WIDTH + 1, digits) * 10 ** (FRACTION_DIGITS - digits) < than.nanoseconds;
}

/**
 * Writes a timestamp with all nine digits of its fraction (Go's "2006-01-02T15:04:05.000000000Z07:00"), as
 * `kubectl logs --timestamps` shows it.
 * @returns the number of bytes written, at most OFFSET_WIDTH for a timestamp in RFC 3339
 */
export function writeTimestamp(bytes: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  const width = end - start;
  const fixed = bytes[start + SECONDS_WIDTH] === DOT;
  if (fixed && ((width === UTC_WIDTH && bytes[end - 1] === Z) || width === OFFSET_WIDTH)) {
    to.set(bytes.subarray(start, end), at);
    return width;
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, width).toString('latin1');
  const fractionEnd = endOfFraction(bytes, start, end) - start;
  const fraction = text.slice(SECONDS_WIDTH + 1, Math.min(fractionEnd, SECONDS_WIDTH + 1 + FRACTION_DIGITS));
  const zone = text.slice(fractionEnd, fractionEnd + OFFSET_WIDTH - UTC_WIDTH + 1);
  const padded = `${text.slice(0, SECONDS_WIDTH)}.${fraction.padEnd(FRACTION_DIGITS, '0')}${zone}`;
  to.set(Buffer.from(padded, 'latin1'), at);
  return padded.length;
}

/**
 * Parses RFC 3339 as Go's time.RFC3339 does: a fraction of any length is taken, a missing zone is not.
 * @returns undefined for any other text
 */
export function parseInstant(text: string): Instant | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!match) return undefined;
  const milliseconds = Date.parse(`${match[1] ?? ''}${match[3] ?? ''}`);
  if (Number.isNaN(milliseconds)) return undefined;
  return {
    seconds: milliseconds / 1000,
    nanoseconds: Number((match[2] ?? '').slice(0, FRACTION_DIGITS).padEnd(FRACTION_DIGITS, '0')),
  };
}

import type { Int64Text } from './messages.ts';

const NANOSECONDS_PER_MILLISECOND = 1_000_000n;

/** An RFC 3339 time in UTC, with up to nine digits after the second, as CRI's nanoseconds since the epoch. */
export function nanoseconds(time: string): Int64Text {
  const [, seconds = '', fraction = ''] = /^([^.Z]+)(?:\.(\d+))?Z$/.exec(time) ?? [];
  const whole = BigInt(Date.parse(`${seconds}Z`)) * NANOSECONDS_PER_MILLISECOND;
  return String(whole + BigInt(fraction.padEnd(9, '0')));
}

export const nanosecondsNow = (): Int64Text => String(BigInt(Date.now()) * NANOSECONDS_PER_MILLISECOND);

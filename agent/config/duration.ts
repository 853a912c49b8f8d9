import { WasmletError } from '../../base/errors.ts';

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Parses a duration as Go writes them: '300ms', '10s', '1h30m'.
 * @returns milliseconds
 * @throws WasmletError InvalidArgument when it is not one
 */
export function parseDuration(text: string): number {
  if (text === '0') return 0;
  if (!/^(\d+(ms|s|m|h))+$/.test(text)) {
    throw new WasmletError('InvalidArgument', `${JSON.stringify(text)} is not a duration, for example 300ms, 10s, 5m`);
  }
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h)/g)) total += Number(count) * (UNITS_MS[unit ?? ''] ?? 0);
  return total;
}

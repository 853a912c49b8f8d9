import type { LogOptions } from '../logs/reader.ts';
import { parseInstant, type Instant } from '../logs/timestamp.ts';

/** A query of /containerLogs that cannot be served, with the kubelet's status and text. */
export class InvalidLogQuery extends Error {
  readonly status: 400 | 422;

  constructor(status: 400 | 422) {
    super(status === 400 ? '{"message": "Unable to decode query."}' : '{"message": "Invalid request."}');
    this.name = 'InvalidLogQuery';
    this.status = status;
  }
}

export interface LogQuery extends LogOptions {
  readonly previous: boolean;
}

/** apimachinery's Convert_Slice_string_To_bool: an empty value is true. */
function booleanOf(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
}

function integerOf(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null) return undefined;
  if (!/^[+-]?\d+$/.test(value) || !isInt64(BigInt(value.replace('+', '')))) throw new InvalidLogQuery(400);
  return Number(value);
}

const isInt64 = (value: bigint): boolean => BigInt.asIntN(64, value) === value;

/** metav1.Time's UnmarshalQueryParameter: empty and 'null' are no time. */
function timeOf(query: URLSearchParams, name: string): Instant | undefined {
  const value = query.get(name);
  if (value === null || value === '' || value === 'null') return undefined;
  const instant = parseInstant(value);
  if (!instant) throw new InvalidLogQuery(400);
  return instant;
}

function streamOf(query: URLSearchParams): LogOptions['stream'] {
  const stream = query.get('stream') ?? 'All';
  if (stream !== 'All' && stream !== 'Stdout' && stream !== 'Stderr') throw new InvalidLogQuery(422);
  return stream;
}

function tailLinesOf(query: URLSearchParams): number | undefined {
  // The name of long ago, 'tail', goes before; 'all' is the same as none.
  const tail = query.get('tail');
  if (tail === 'all') return undefined;
  return tail === null || tail === ''
    ? integerOf(query, 'tailLines')
    : integerOf(new URLSearchParams({ tail }), 'tail');
}

/**
 * Decodes and checks the query of /containerLogs as the kubelet does (v1.PodLogOptions; pkg/apis/core/v1/validation).
 * @param now milliseconds since the epoch, from which sinceSeconds counts
 * @throws InvalidLogQuery
 */
export function parseLogQuery(query: URLSearchParams, now: number): LogQuery {
  const sinceSeconds = integerOf(query, 'sinceSeconds');
  const sinceTime = timeOf(query, 'sinceTime');
  const tailLines = tailLinesOf(query);
  const limitBytes = integerOf(query, 'limitBytes');
  const stream = streamOf(query);
  const numbersAreValid = (tailLines ?? 0) >= 0 && (limitBytes ?? 1) >= 1 && (sinceSeconds ?? 1) >= 1;
  const hasTwoStarts = sinceSeconds !== undefined && sinceTime !== undefined;
  const isTailOfOneStream = stream !== 'All' && tailLines !== undefined;
  if (!numbersAreValid || hasTwoStarts || isTailOfOneStream) throw new InvalidLogQuery(422);
  const since = sinceTime ?? (sinceSeconds === undefined ? undefined : secondsBefore(now, sinceSeconds));
  return {
    follow: booleanOf(query, 'follow'),
    previous: booleanOf(query, 'previous'),
    timestamps: booleanOf(query, 'timestamps'),
    stream,
    ...withoutUndefined({ since, tailLines, limitBytes }),
  };
}

function withoutUndefined<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  const present = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(present) as { [Key in keyof T]?: Exclude<T[Key], undefined> };
}

function secondsBefore(now: number, seconds: number): Instant {
  const whole = Math.floor(now / 1000);
  return { seconds: whole - seconds, nanoseconds: Math.round((now - whole * 1000) * 1e6) };
}

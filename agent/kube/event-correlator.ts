import type { CoreEvent } from './types.ts';

/** An event as it is to be written; with `patch` it exists already and only counts up. */
export interface CorrelatedEvent {
  readonly event: CoreEvent;
  readonly patch?: { readonly count: number; readonly lastTimestamp: string; readonly message: string };
}

/**
 * Keeps a node from flooding the API server with events (client-go tools/record/events_cache.go). In this order:
 * 1. aggregation: the tenth event within 10 minutes that differs from others in its message alone, and those after it,
 *    become one event with "(combined from similar events): " before its message;
 * 2. counting: an event that is the same as one before raises that one's count;
 * 3. spam filter: 25 events at once and then one per 5 minutes, for each object and type.
 */
export interface EventCorrelator {
  /** What to write; undefined when the event is filtered out. */
  correlate(event: CoreEvent, nowMs: number): CorrelatedEvent | undefined;
  /** Takes note of the event as the API server returned it. */
  written(event: CoreEvent): void;
}

const MAX_ENTRIES = 4096;
const AGGREGATE_MAX_EVENTS = 10;
const AGGREGATE_INTERVAL_MS = 600_000;
const SPAM_BURST = 25;
const SPAM_REFILL_MS = 300_000;
const COMBINED = '(combined from similar events): ';

interface Group {
  readonly messages: Set<string>;
  lastMs: number;
}

interface Observation {
  readonly count: number;
  readonly firstTimestamp: string | undefined;
  readonly name: string | undefined;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

export function createEventCorrelator(): EventCorrelator {
  return new Correlator();
}

class Correlator implements EventCorrelator {
  readonly #groups = new LruMap<Group>(MAX_ENTRIES);
  readonly #observations = new LruMap<Observation>(MAX_ENTRIES);
  readonly #buckets = new LruMap<Bucket>(MAX_ENTRIES);

  correlate(event: CoreEvent, nowMs: number): CorrelatedEvent | undefined {
    const { event: aggregated, key } = this.#aggregate(event, nowMs);
    const correlated = this.#count(aggregated, key);
    return this.#allowed(event, nowMs) ? correlated : undefined;
  }

  written(event: CoreEvent): void {
    this.#observations.set(eventKey(event), observationOf(event));
  }

  #aggregate(event: CoreEvent, nowMs: number): { event: CoreEvent; key: string } {
    const groupKey = keyOf([...objectKey(event), event.reason, event.reportingComponent, event.reportingInstance]);
    let group = this.#groups.get(groupKey);
    if (!group || nowMs - group.lastMs > AGGREGATE_INTERVAL_MS) group = { messages: new Set(), lastMs: nowMs };
    group.messages.add(event.message ?? '');
    group.lastMs = nowMs;
    this.#groups.set(groupKey, group);
    if (group.messages.size < AGGREGATE_MAX_EVENTS) return { event, key: eventKey(event) };

    // Full: one goes, so that the set stays at its size and the next similar event is combined as well.
    for (const message of group.messages) {
      group.messages.delete(message);
      break;
    }
    const combined: CoreEvent = {
      ...event,
      metadata: { ...event.metadata, name: eventName(event.involvedObject.name ?? '', nowMs) },
      message: `${COMBINED}${event.message ?? ''}`,
    };
    return { event: combined, key: groupKey };
  }

  #count(event: CoreEvent, key: string): CorrelatedEvent {
    const last = this.#observations.get(key);
    if (!last) {
      this.#observations.set(key, observationOf(event));
      return { event };
    }
    const count = last.count + 1;
    const counted: CoreEvent = {
      ...event,
      metadata: { ...event.metadata, ...(last.name === undefined ? {} : { name: last.name }) },
      ...(last.firstTimestamp === undefined ? {} : { firstTimestamp: last.firstTimestamp }),
      count,
    };
    this.#observations.set(key, observationOf(counted));
    return {
      event: counted,
      patch: { count, lastTimestamp: event.lastTimestamp ?? '', message: event.message ?? '' },
    };
  }

  #allowed(event: CoreEvent, nowMs: number): boolean {
    const key = keyOf(objectKey(event));
    const bucket = this.#buckets.get(key) ?? { tokens: SPAM_BURST, atMs: nowMs };
    bucket.tokens = Math.min(SPAM_BURST, bucket.tokens + (nowMs - bucket.atMs) / SPAM_REFILL_MS);
    bucket.atMs = nowMs;
    const allowed = bucket.tokens >= 1;
    if (allowed) bucket.tokens -= 1;
    this.#buckets.set(key, bucket);
    return allowed;
  }
}

function observationOf(event: CoreEvent): Observation {
  return { count: event.count ?? 1, firstTimestamp: event.firstTimestamp, name: event.metadata.name };
}

const keyOf = (parts: readonly (string | undefined)[]): string => parts.map((part) => part ?? '').join('\0');

/** What tells apart the objects (and, as client-go has it, the types) that events are about. */
function objectKey(event: CoreEvent): (string | undefined)[] {
  const { kind, namespace, name, uid, apiVersion } = event.involvedObject;
  return [event.source?.component, event.source?.host, kind, namespace, name, uid, apiVersion, event.type];
}

function eventKey(event: CoreEvent): string {
  return keyOf([...objectKey(event), event.involvedObject.fieldPath, event.reason, event.message]);
}

/** A map that forgets what was set or read longest ago. */
class LruMap<V> {
  readonly #map = new Map<string, V>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string): V | undefined {
    const value = this.#map.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    for (const oldest of this.#map.keys()) {
      if (this.#map.size <= this.#max) break;
      this.#map.delete(oldest);
    }
  }
}

/** Adds to the milliseconds what tells events of one millisecond apart. */
let sequence = 0;

/** '<object>.<time in hexadecimal nanoseconds>', as client-go names events. */
export function eventName(objectName: string, nowMs: number): string {
  sequence = (sequence + 1) % 1_000_000;
  const suffix = `.${(BigInt(nowMs) * 1_000_000n + BigInt(sequence)).toString(16)}`;
  return `${objectName.slice(0, 253 - suffix.length).replace(/[.-]+$/, '')}${suffix}`;
}

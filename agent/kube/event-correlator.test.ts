import { describe, expect, test } from 'vitest';
import { createEventCorrelator, eventName } from './event-correlator.ts';
import type { CoreEvent } from './types.ts';

const event = (message: string, more: Partial<CoreEvent> = {}): CoreEvent => ({
  metadata: { name: `pod.${message}`, namespace: 'a' },
  involvedObject: { kind: 'Pod', namespace: 'a', name: 'pod', uid: '1' },
  source: { component: 'kubelet', host: 'n' },
  reason: 'Failed',
  message,
  type: 'Warning',
  count: 1,
  firstTimestamp: 'first',
  lastTimestamp: `at ${message}`,
  ...more,
});

const MINUTE = 60_000;

describe('the event correlator', () => {
  test('writes a new event as it is and counts up one that repeats', () => {
    const correlator = createEventCorrelator();
    expect(correlator.correlate(event('m'), 0)).toEqual({ event: event('m') });
    const again = correlator.correlate(event('m', { metadata: { name: 'other' }, lastTimestamp: 'later' }), 1);
    expect(again?.patch).toEqual({ count: 2, lastTimestamp: 'later', message: 'm' });
    expect(again?.event.metadata.name).toBe('pod.m');
    expect(correlator.correlate(event('m'), 2)?.patch?.count).toBe(3);
  });

  test('keeps events of different containers apart', () => {
    const correlator = createEventCorrelator();
    const of = (fieldPath: string) => event('m', { involvedObject: { kind: 'Pod', name: 'pod', fieldPath } });
    correlator.correlate(of('spec.containers{a}'), 0);
    expect(correlator.correlate(of('spec.containers{b}'), 0)?.patch).toBeUndefined();
  });

  test('combines the tenth similar event within ten minutes and those after it', () => {
    const correlator = createEventCorrelator();
    for (let i = 1; i <= 9; i++) expect(correlator.correlate(event(`m${i}`), i)?.event.message).toBe(`m${i}`);
    const tenth = correlator.correlate(event('m10'), 10);
    expect(tenth?.event.message).toBe('(combined from similar events): m10');
    expect(tenth?.patch).toBeUndefined();
    expect(correlator.correlate(event('m11'), 11)).toMatchObject({
      event: { metadata: { name: tenth?.event.metadata.name } },
      patch: { count: 2, message: '(combined from similar events): m11' },
    });
  });

  test('forgets similar events after ten quiet minutes', () => {
    const correlator = createEventCorrelator();
    for (let i = 1; i <= 9; i++) correlator.correlate(event(`m${i}`), 0);
    expect(correlator.correlate(event('m10'), 10 * MINUTE + 1)?.event.message).toBe('m10');
  });

  test('lets 25 events of an object through at once and then one per five minutes', () => {
    const correlator = createEventCorrelator();
    const passed = (nowMs: number) => correlator.correlate(event('m'), nowMs) !== undefined;
    expect(Array.from({ length: 30 }, () => passed(0)).filter(Boolean)).toHaveLength(25);
    expect(passed(4 * MINUTE)).toBe(false);
    expect(passed(5 * MINUTE)).toBe(true);
    expect(passed(5 * MINUTE)).toBe(false);
  });

  test('events of other objects and of the other type are not held back with them', () => {
    const correlator = createEventCorrelator();
    for (let i = 0; i < 30; i++) correlator.correlate(event('m'), 0);
    expect(correlator.correlate(event('m', { type: 'Normal' }), 0)).toBeDefined();
    expect(correlator.correlate(event('m', { involvedObject: { kind: 'Pod', name: 'b' } }), 0)).toBeDefined();
  });
});

describe('names of events', () => {
  test('differ within a millisecond and begin with the object', () => {
    expect(eventName('pod', 1_700_000_000_000)).toMatch(/^pod\.1797[0-9a-f]+$/);
    expect(eventName('pod', 1)).not.toBe(eventName('pod', 1));
  });

  test('stay names when the object has the longest name there is', () => {
    expect(eventName('a'.repeat(253), 1_700_000_000_000).length).toBeLessThanOrEqual(253);
  });
});

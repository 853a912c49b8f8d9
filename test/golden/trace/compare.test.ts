import { describe, expect, test } from 'vitest';
import { compareSequences, compareTraces } from './compare.ts';
import { judge } from './listed.ts';
import type { Trace } from './trace.ts';

const differences = (kubelet: readonly string[], ours: readonly string[]) => compareSequences('phase', kubelet, ours);

describe('two sequences', () => {
  test('are the same when they are', () => {
    expect(differences(['Pending', 'Running'], ['Pending', 'Running'])).toEqual([]);
  });

  test('may have brief milestones that the other has not', () => {
    expect(differences(['Pending', '~Running', 'Succeeded'], ['~Pending', 'Succeeded'])).toEqual([]);
    expect(differences(['~Pending', 'Succeeded'], ['~Pending', '~Running', 'Succeeded'])).toEqual([]);
  });

  test('are laid side by side so that brief milestones are left over', () => {
    expect(differences(['~False', '~True', 'False'], ['False'])).toEqual([]);
  });

  test('may come back to what was before a brief milestone that the other has not', () => {
    expect(differences(['False'], ['False', '~True', 'False'])).toEqual([]);
    expect(differences(['False', '~True', 'False', 'True'], ['False', 'True'])).toEqual([]);
    expect(differences(['False'], ['False', 'True', 'False'])).toHaveLength(2);
    expect(differences(['False'], ['False', 'False'])).toHaveLength(1);
    expect(differences([], ['False', '~True', 'False'])).toHaveLength(1);
  });

  test('differ by a milestone that lasted', () => {
    expect(differences(['Pending', 'Running', 'Succeeded'], ['Pending', 'Succeeded'])).toEqual([
      { field: 'phase', kubelet: 'Running', ours: undefined },
    ]);
  });

  test('differ by a terminal phase, however brief it was', () => {
    expect(differences(['~Pending', 'Succeeded'], ['~Pending', '~Failed Evicted', 'Succeeded'])).toEqual([
      { field: 'phase', kubelet: undefined, ours: '~Failed Evicted' },
    ]);
  });

  test('differ by the order of what both have', () => {
    expect(differences(['A', 'B'], ['B', 'A'])).toHaveLength(2);
  });

  test('are told side by side where both have something else', () => {
    expect(differences(['A', 'B', 'D'], ['A', 'C', 'D'])).toEqual([{ field: 'phase', kubelet: 'B', ours: 'C' }]);
  });
});

describe('two traces', () => {
  const trace = (change: Partial<Trace> = {}): Trace => ({
    pods: { web: { tracks: { phase: ['Running'] }, gone: false, end: { phase: 'Running', list: [{ a: 1 }] } } },
    events: { 'Pod web': ['Normal Started from kubelet: Container started'] },
    calls: { 'patch pods/status': 3 },
    ...change,
  });

  test('are the same when they are', () => {
    expect(compareTraces(trace(), trace())).toEqual([]);
  });

  test('differ by a leaf of the last status, which is named', () => {
    const ours = { web: { ...trace().pods['web']!, end: { phase: 'Running', list: [{ a: 2 }] } } };
    expect(compareTraces(trace(), trace({ pods: ours }))).toEqual([
      { field: 'pod web: end.list.0.a', kubelet: '1', ours: '2' },
    ]);
  });

  test('differ by a pod that only one of them has', () => {
    expect(compareTraces(trace(), trace({ pods: {} })).map(({ field }) => field)).toContain('pod web: phase');
  });

  test('differ by an event that one of them has not', () => {
    expect(compareTraces(trace(), trace({ events: {} }))).toHaveLength(1);
  });

  test('may have fewer calls than a kubelet, not more, and none that a kubelet does not make', () => {
    expect(compareTraces(trace(), trace({ calls: { 'patch pods/status': 2 } }))).toEqual([]);
    expect(compareTraces(trace(), trace({ calls: { 'patch pods/status': 5 } }))).toHaveLength(1);
    expect(compareTraces(trace(), trace({ calls: { 'get pods': 1 } }))).toEqual([
      { field: 'calls: get pods', kubelet: '0', ours: '1' },
    ]);
  });
});

describe('the list of differences', () => {
  const difference = { field: 'pod web: phase', kubelet: 'Running', ours: undefined };

  test('allows what an entry matches, and tells which entry that was', () => {
    const entry = { cases: /^web/, field: /phase/, kubelet: /Running/, ours: null, why: 'test' };
    expect(judge('web-1', [difference], [entry])).toEqual({ unlisted: [], used: [entry] });
  });

  test.for([
    { field: /phase/, cases: /^other/, why: 'another case' },
    { field: /condition/, why: 'another field' },
    { field: /phase/, kubelet: /Failed/, why: 'another value' },
    { field: /phase/, ours: /./, why: 'a value where none is' },
    { field: /phase/, kubelet: null, why: 'no value where one is' },
  ])('does not allow what an entry does not match: $why', (entry) => {
    expect(judge('web-1', [difference], [entry])).toEqual({ unlisted: [difference], used: [] });
  });
});

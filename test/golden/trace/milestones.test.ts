import { expect, test } from 'vitest';
import type { CoreEvent, Pod, PodStatus } from '../../../agent/kube/types.ts';
import { eventsOf } from './events.ts';
import { tracksOf } from './milestones.ts';
import type { Volatile } from './normalise.ts';

const VOLATILE: Volatile = { nodeName: '', namespace: '', registry: '', privateRegistry: '', rootDir: '', uids: [] };

const seen = (at: number, status: PodStatus, metadata: Pod['metadata'] = {}) => ({ pod: { metadata, status }, at });

test('each part of a status has its own track, without repetitions', () => {
  const ready = (status: string): NonNullable<PodStatus['conditions']> => [{ type: 'Ready', status }];
  const tracks = tracksOf(
    [
      seen(0, { phase: 'Pending', conditions: ready('False') }),
      seen(6000, { phase: 'Running', conditions: ready('False') }),
      seen(12000, { phase: 'Running', conditions: ready('True') }),
    ],
    VOLATILE,
  );
  expect(tracks).toMatchObject({ phase: ['Pending', 'Running'], 'condition Ready': ['False', 'True'] });
});

test('a value that another soon followed is brief; the last one never is', () => {
  const tracks = tracksOf([seen(0, { phase: 'Pending' }), seen(100, { phase: 'Running' })], VOLATILE);
  expect(tracks['phase']).toEqual(['~Pending', 'Running']);
});

test('a container is told by its state, its last state, its restarts and whether it is ready', () => {
  const status: PodStatus = {
    containerStatuses: [
      {
        name: 'app',
        image: '',
        imageID: '',
        ready: false,
        started: false,
        restartCount: 1,
        state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s' } },
        lastState: { terminated: { exitCode: 1, reason: 'Error' } },
      },
    ],
  };
  expect(tracksOf([seen(0, status)], VOLATILE)['container app']).toEqual([
    'waiting CrashLoopBackOff "back-off 10s" restarts=1 not-ready not-started last=(terminated Error 1)',
  ]);
});

test('deletion is told with its grace period', () => {
  const deleted = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 5 };
  expect(tracksOf([seen(0, {}), seen(9000, {}, deleted)], VOLATILE)['deletion']).toEqual(['no', 'grace 5']);
});

function event(change: Partial<CoreEvent>): CoreEvent {
  return {
    metadata: { name: 'web.1', uid: 'a' },
    involvedObject: { kind: 'Pod', name: 'web' },
    type: 'Normal',
    reason: 'Started',
    message: 'Container started',
    source: { component: 'kubelet' },
    firstTimestamp: '2026-01-01T00:00:00Z',
    count: 1,
    ...change,
  };
}

test('events are in order of their times and, within a second, of their names', () => {
  const events = [
    event({ metadata: { name: 'web.3', uid: 'c' }, reason: 'Third', firstTimestamp: '2026-01-01T00:00:01Z' }),
    event({ metadata: { name: 'web.2', uid: 'b' }, reason: 'Second' }),
    event({ metadata: { name: 'web.1', uid: 'a' }, reason: 'First' }),
  ];
  const reasons = eventsOf(events, VOLATILE)['Pod web']?.map((text) => text.split(' ')[1]);
  expect(reasons).toEqual(['First', 'Second', 'Third']);
});

test('an event that was seen again is told once, as such', () => {
  expect(eventsOf([event({}), event({ count: 7 })], VOLATILE)).toEqual({
    'Pod web': ['Normal Started from kubelet (again and again): Container started'],
  });
});

test('events of a container stand apart from those of its pod', () => {
  const ofContainer = event({ involvedObject: { kind: 'Pod', name: 'web', fieldPath: 'spec.containers{app}' } });
  const told = eventsOf([event({}), { ...ofContainer, metadata: { uid: 'b' } }], VOLATILE);
  expect(Object.keys(told).toSorted()).toEqual(['Pod web', 'Pod web spec.containers{app}']);
});

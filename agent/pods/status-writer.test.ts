import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import { KubeApiError } from '../kube/client.ts';
import type { ContainerState, Pod, PodStatus } from '../kube/types.ts';
import { createStatusPatch } from './status-patch.ts';
import { StatusWriter, type StatusWriterOptions } from './status-writer.ts';
import { FakeApi, mergeStatus } from './testing/fake-api.ts';
import { makePod } from './testing/fixtures.ts';
import { PATIENCE } from '../../test/support/patience.ts';

let api: FakeApi;
let writer: StatusWriter;
let mayRun: boolean;
let pod: Pod;

beforeEach(() => {
  api = new FakeApi();
  mayRun = true;
  writer = makeWriter();
  pod = api.add(makePod());
});

afterEach(() => writer.stop());

const makeWriter = (change: Partial<StatusWriterOptions> = {}): StatusWriter =>
  new StatusWriter({
    client: api,
    mayHaveRunningContainers: () => mayRun,
    mirrorOf: () => undefined,
    logger: silentLogger,
    ...change,
  });

const stored = (): PodStatus => api.pods.get('web')?.status ?? {};
const patches = (): number => api.requestCounts.get('PATCH pods/status') ?? 0;
const settle = () => writer.drain(AbortSignal.timeout(PATIENCE.timeout));

describe('the status of a static pod', () => {
  const annotations = (hash: string) => ({
    'kubernetes.io/config.source': 'file',
    'kubernetes.io/config.hash': hash,
    'kubernetes.io/config.mirror': hash,
  });
  const shown = (uid: string): Pod =>
    makePod({}, { metadata: { name: 'web-node-1', uid, annotations: annotations('s') } });
  const own = (): Pod => shown('s');
  const phase = () => api.pods.get('web-node-1')?.status?.phase;

  test('is written to its mirror, and to the next one when that is gone', async () => {
    writer.set(own(), { phase: 'Running' });
    await settle();
    expect(patches()).toBe(0);
    writer.observeMirror('s', api.add(shown('mirror-1')));
    await settle();
    expect(phase()).toBe('Running');
    api.removeNow('web-node-1');
    writer.observeMirror('s', undefined);
    writer.set(own(), { phase: 'Running', message: 'on' });
    await settle();
    writer.observeMirror('s', api.add(shown('mirror-2')));
    await settle();
    expect(api.pods.get('web-node-1')?.status).toMatchObject({ phase: 'Running', message: 'on' });
  });

  test('that has finished deletes nothing, and keeps its phase', async () => {
    writer.observeMirror('s', api.add(shown('mirror-1')));
    writer.set(own(), { phase: 'Running' });
    writer.observeMirror('s', api.pods.get('web-node-1'));
    mayRun = false;
    writer.finish(own());
    await settle();
    api.markDeleted('web-node-1', 30);
    writer.observeMirror('s', api.pods.get('web-node-1'));
    await settle();
    expect(phase()).toBe('Running');
    expect(api.requestCounts.get('DELETE pods')).toBeUndefined();
  });
});

describe('a status', () => {
  test('is sent once, though it is set again and again', async () => {
    for (let i = 0; i < 3; i++) writer.set(pod, { phase: 'Running' });
    await settle();
    writer.set(pod, { phase: 'Running' });
    await settle();
    expect(stored().phase).toBe('Running');
    expect(patches()).toBe(1);
  });

  test('is sent in its newest version only, where several were set meanwhile', async () => {
    writer.set(pod, { phase: 'Pending', message: 'one' });
    writer.set(pod, { phase: 'Pending', message: 'two' });
    writer.set(pod, { phase: 'Running' });
    await settle();
    expect(patches()).toBe(1);
    expect(stored()).toMatchObject({ phase: 'Running' });
    expect(stored().message).toBeUndefined();
  });

  test('of a container that is started again and ends at once tells of the end alone', async () => {
    const of = (restartCount: number, state: ContainerState): PodStatus => ({
      phase: 'Running',
      containerStatuses: [{ name: 'app', image: 'i', imageID: 'i', ready: false, restartCount, state }],
    });
    const ended = { terminated: { exitCode: 1, reason: 'Error' } };
    writer.set(pod, of(0, ended));
    await settle();
    writer.set(pod, of(1, { running: {} }));
    // More than the turn in which it would be sent.
    await new Promise((resolve) => setImmediate(resolve));
    writer.set(pod, of(1, ended));
    await settle();
    expect(stored().containerStatuses).toMatchObject([{ restartCount: 1, state: ended }]);
    expect(patches()).toBe(2);
    writer.set(pod, of(2, { running: {} }));
    await settle();
    expect(stored().containerStatuses).toMatchObject([{ restartCount: 2, state: { running: {} } }]);
  });

  test('keeps its start time, and the time of conditions that did not change', async () => {
    const ready = (status: string): PodStatus => ({ phase: 'Pending', conditions: [{ type: 'Ready', status }] });
    let now = Date.parse('2026-01-01T00:00:00Z');
    writer = new StatusWriter({
      client: api,
      mayHaveRunningContainers: () => true,
      mirrorOf: () => undefined,
      logger: silentLogger,
      now: () => now,
    });
    writer.set(pod, ready('False'));
    now += 60_000;
    writer.set(pod, { ...ready('False'), message: 'later' });
    await settle();
    expect(stored()).toMatchObject({
      startTime: '2026-01-01T00:00:00Z',
      conditions: [{ lastTransitionTime: '2026-01-01T00:00:00Z' }],
    });
    writer.set(pod, ready('True'));
    await settle();
    expect(stored().conditions?.[0]?.lastTransitionTime).toBe('2026-01-01T00:01:00Z');
  });

  test('is not terminal in the API while a container may run', async () => {
    writer.set(pod, { phase: 'Failed', reason: 'DeadlineExceeded' });
    await settle();
    expect(stored().phase).toBe('Pending');
    mayRun = false;
    writer.set(pod, { phase: 'Failed', reason: 'DeadlineExceeded' });
    await settle();
    expect(stored()).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' });
  });

  test('never leaves a terminal phase', async () => {
    mayRun = false;
    writer.set(pod, { phase: 'Succeeded' });
    writer.set(pod, { phase: 'Running' });
    await settle();
    expect(stored().phase).toBe('Succeeded');
  });

  test('is sent again when the API was not reached', async () => {
    api.patchFaults.push(new Error('unreachable'));
    writer.set(pod, { phase: 'Running' });
    await vi.waitFor(() => expect(stored().phase).toBe('Running'), PATIENCE);
    expect(patches()).toBe(2);
  });

  test('is sent again when another changed what is ours', async () => {
    writer.set(pod, { phase: 'Running' });
    await settle();
    const changed = api.add({ ...pod, status: { ...stored(), phase: 'Unknown' } });
    writer.observe(changed);
    await settle();
    expect(stored().phase).toBe('Running');
  });

  test('is not written to a pod that was made anew under the name', async () => {
    api.add(makePod({}, { metadata: { uid: 'uid-2' } }));
    writer.set(pod, { phase: 'Running' });
    await settle();
    expect(stored().phase).toBe('Pending');
    expect(patches()).toBe(1);
  });

  test('of a pod that is gone is given up', async () => {
    api.patchFaults.push(new KubeApiError(404, 'NotFound', 'gone'));
    writer.set(pod, { phase: 'Running' });
    await settle();
    writer.set(pod, { phase: 'Running', message: 'more' });
    await settle();
    expect(patches()).toBe(1);
  });
});

describe('a deleted pod', () => {
  test('goes only when it is finished and its last status was accepted', async () => {
    api.markDeleted('web', 30);
    const deleted = api.pods.get('web') ?? pod;
    writer.set(deleted, { phase: 'Running' });
    await settle();
    expect(api.pods.size).toBe(1);
    api.patchFaults.push(new Error('unreachable'));
    writer.finish(deleted);
    await vi.waitFor(() => expect(api.pods.size).toBe(0), PATIENCE);
    expect(api.phases).toEqual(['Running', 'Failed']);
  });

  test('that had finished before is left to the API server where that deletes it itself', async () => {
    mayRun = false;
    writer.set(pod, { phase: 'Succeeded' });
    writer.finish(pod);
    await settle();
    api.markDeleted('web', 0);
    writer.observe(api.pods.get('web') ?? pod);
    await settle();
    expect(api.requestCounts.get('DELETE pods')).toBeUndefined();
  });

  test('that the API server has left half deleted is deleted again, unless finalizers hold it', async () => {
    writer = makeWriter({ overdueMs: 0 });
    mayRun = false;
    const held = api.add(makePod({}, { metadata: { name: 'held', uid: 'uid-2', finalizers: ['example.com/f'] } }));
    for (const each of [held, pod]) {
      api.markDeleted(each.metadata?.name ?? '', 0);
      writer.finish(api.pods.get(each.metadata?.name ?? '') ?? each);
    }
    await vi.waitFor(() => expect([...api.pods.keys()]).toEqual(['held']), PATIENCE);
    await settle();
    expect(api.requestCounts.get('DELETE pods')).toBe(1);
  });

  test('that had finished before goes when its deletion is seen', async () => {
    mayRun = false;
    writer.set(pod, { phase: 'Succeeded' });
    writer.finish(pod);
    await settle();
    expect(api.pods.size).toBe(1);
    api.markDeleted('web', 30);
    writer.observe(api.pods.get('web') ?? pod);
    await settle();
    expect(api.pods.size).toBe(0);
  });

  test('shows no container that could still seem to run', async () => {
    const containerStatuses = [
      { name: 'app', image: '', imageID: '', ready: true, restartCount: 0, state: { running: {} } },
    ];
    mayRun = false;
    writer.set(pod, { phase: 'Running', containerStatuses });
    writer.finish(pod);
    await settle();
    expect(stored().phase).toBe('Failed');
    expect(stored().containerStatuses?.[0]?.state?.terminated).toMatchObject({
      reason: 'ContainerStatusUnknown',
      exitCode: 137,
    });
  });
});

describe('createStatusPatch', () => {
  test('is undefined for what differs only in nulls that the API writes', () => {
    const times = { startedAt: null, finishedAt: null } as unknown as { startedAt: string };
    const inApi = { name: 'a', image: '', imageID: '', ready: false, restartCount: 0 };
    const from: PodStatus = {
      conditions: [{ type: 'Ready', status: 'True', lastProbeTime: null as unknown as string }],
      containerStatuses: [{ ...inApi, state: { terminated: { exitCode: 1, ...times } } }],
    };
    const to: PodStatus = {
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [{ ...inApi, state: { terminated: { exitCode: 1 } } }],
    };
    expect(createStatusPatch('uid-1', from, to)).toBeUndefined();
  });

  test('takes reasons away, and leaves the conditions of others alone', () => {
    const from: PodStatus = {
      phase: 'Pending',
      reason: 'Old',
      conditions: [
        { type: 'example.test/gate', status: 'True' },
        { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'x' },
      ],
      podIPs: [{ ip: '10.0.0.1' }],
    };
    const to: PodStatus = {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: 'True' }],
      podIPs: [{ ip: '10.0.0.2' }],
    };
    const patch = createStatusPatch('uid-1', from, to);
    expect(patch?.['metadata']).toEqual({ uid: 'uid-1' });
    expect(mergeStatus(from, patch?.['status'] as Record<string, unknown>)).toEqual({
      phase: 'Running',
      conditions: [
        { type: 'example.test/gate', status: 'True' },
        { type: 'Ready', status: 'True' },
      ],
      podIPs: [{ ip: '10.0.0.2' }],
    });
  });
});

import { describe, expect, test } from 'vitest';
import type { ContainerStatus } from '../kube/types.ts';
import { loggedContainerId } from './log-lookup.ts';

const ended = (containerID?: string) => ({ terminated: { exitCode: 1, ...(containerID ? { containerID } : {}) } });
const lookUp = (fields: Partial<ContainerStatus>, previous = false) => {
  const status = { name: 'app', image: '', imageID: '', ready: false, restartCount: 0, ...fields };
  return loggedContainerId({ containerStatuses: [status] }, { pod: 'web', container: 'app', previous });
};

describe('the log is that of', () => {
  test('the container that runs', () => {
    expect(lookUp({ state: { running: {} }, containerID: 'wasmlet://b', lastState: ended('wasmlet://a') })).toBe(
      'wasmlet://b',
    );
  });

  test('the one that ended, when none runs', () => {
    expect(lookUp({ state: ended('wasmlet://a') })).toBe('wasmlet://a');
  });

  test('the one before, while the next waits for its back-off', () => {
    const state = { waiting: { reason: 'CrashLoopBackOff' } };
    expect(lookUp({ state, lastState: ended('wasmlet://a') })).toBe('wasmlet://a');
  });

  test('the one before, when asked for', () => {
    expect(lookUp({ state: { running: {} }, lastState: ended('wasmlet://a') }, true)).toBe('wasmlet://a');
  });
});

describe('there is no log, in the kubelet’s words,', () => {
  const cases: [string, Partial<ContainerStatus>, boolean, string][] = [
    [
      'of a container that waits',
      { state: { waiting: { reason: 'ContainerCreating' } } },
      false,
      'container "app" in pod "web" is waiting to start: ContainerCreating',
    ],
    [
      'of a container whose image cannot be pulled',
      { state: { waiting: { reason: 'ErrImagePull' } } },
      false,
      'container "app" in pod "web" is waiting to start: image can\'t be pulled',
    ],
    [
      'of a container that backs off pulling',
      { state: { waiting: { reason: 'ImagePullBackOff' } } },
      false,
      'container "app" in pod "web" is waiting to start: trying and failing to pull image',
    ],
    ['of a container that was lost', { state: ended() }, false, 'container "app" in pod "web" is terminated'],
    [
      'of a previous container, where there was none',
      { state: { running: {} } },
      true,
      'previous terminated container "app" in pod "web" not found',
    ],
  ];
  test.each(cases)('%s', (_name, fields, previous, message) => {
    expect(() => lookUp(fields, previous)).toThrow(message);
  });

  test('of a container that the pod does not have', () => {
    expect(() => loggedContainerId({}, { pod: 'web', container: 'x', previous: false })).toThrow(
      'container "x" in pod "web" is not available',
    );
  });
});

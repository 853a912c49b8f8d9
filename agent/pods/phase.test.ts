import { expect, test } from 'vitest';
import type { ContainerStatus, PodSpec } from '../kube/types.ts';
import { phaseOf, type PodPhase } from './phase.ts';
import { container, makePod } from './testing/fixtures.ts';

const status = (name: string, fields: Partial<ContainerStatus>): ContainerStatus => ({
  name,
  image: '',
  imageID: '',
  ready: false,
  restartCount: 0,
  ...fields,
});
const running = (name: string, started = true) =>
  status(name, { state: { running: { startedAt: '2026-01-01T00:00:00Z' } }, started });
const ended = (name: string, exitCode: number) => status(name, { state: { terminated: { exitCode } } });
const waiting = (name: string) => status(name, { state: { waiting: {} } });
const backingOff = (name: string, exitCode: number) =>
  status(name, { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: { exitCode } } });

const two = { containers: [container('app'), container('other')] };
const init = { initContainers: [container('init')] };
const side = { initContainers: [container('side', { restartPolicy: 'Always' })] };
const never = { restartPolicy: 'Never' };

const cases: [string, Partial<PodSpec>, ContainerStatus[], PodPhase][] = [
  ['nothing known', {}, [], 'Pending'],
  ['a container that waits', {}, [waiting('app')], 'Pending'],
  ['a container that runs', {}, [running('app')], 'Running'],
  ['one that runs, one that waits', two, [running('app'), waiting('other')], 'Pending'],
  ['one that runs, one that ended', { ...two, ...never }, [running('app'), ended('other', 1)], 'Running'],
  ['all ended under Always', {}, [ended('app', 0)], 'Running'],
  ['all ended well under OnFailure', { restartPolicy: 'OnFailure' }, [ended('app', 0)], 'Succeeded'],
  ['one failed under OnFailure', { restartPolicy: 'OnFailure' }, [ended('app', 1)], 'Running'],
  ['all ended well under Never', never, [ended('app', 0)], 'Succeeded'],
  ['one failed under Never', { ...two, ...never }, [ended('app', 0), ended('other', 1)], 'Failed'],
  ['a container in back-off', {}, [backingOff('app', 1)], 'Running'],
  ['an init container that runs', init, [running('init'), waiting('app')], 'Pending'],
  ['an init container that failed under Never', { ...init, ...never }, [ended('init', 1), waiting('app')], 'Failed'],
  ['an init container that failed under Always', init, [ended('init', 1), waiting('app')], 'Pending'],
  ['an init container that is done', init, [ended('init', 0), running('app')], 'Running'],
  ['a sidecar that is starting', side, [running('side', false), running('app')], 'Pending'],
  ['a sidecar that runs beside', side, [running('side'), running('app')], 'Running'],
  ['a sidecar that outlives the rest', { ...side, ...never }, [running('side'), ended('app', 0)], 'Running'],
  ['a sidecar that ended with the rest', { ...side, ...never }, [ended('side', 137), ended('app', 0)], 'Succeeded'],
];

test.each(cases)('%s', (_name, spec, statuses, phase) => {
  expect(phaseOf(makePod(spec), { statuses, podIsTerminal: false, hasInitialized: false })).toBe(phase);
});

test('a pod whose containers were ended for good is done, even under Always', () => {
  const input = { podIsTerminal: true, hasInitialized: true };
  expect(phaseOf(makePod(), { ...input, statuses: [ended('app', 0)] })).toBe('Succeeded');
  expect(phaseOf(makePod(), { ...input, statuses: [ended('app', 143)] })).toBe('Failed');
});

test('a sidecar that starts again does not put a pod back into Pending', () => {
  const statuses = [running('side', false), running('app')];
  expect(phaseOf(makePod(side), { statuses, podIsTerminal: false, hasInitialized: true })).toBe('Running');
});

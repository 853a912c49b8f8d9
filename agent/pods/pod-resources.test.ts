import { expect, test } from 'vitest';
import { podResourcesStatus } from './pod-resources.ts';
import { container, makePod } from './testing/fixtures.ts';

const asking = (name: string, requests: Record<string, string>, limits: Record<string, string> = {}) =>
  container(name, { resources: { requests, limits } });

test('the resources of a pod are what its containers add up to, in canonical form', () => {
  const pod = makePod({
    overhead: { memory: '12Mi' },
    containers: [
      asking('a', { cpu: '500m', memory: '500Mi' }, { cpu: '1' }),
      asking('b', { cpu: '0.5', memory: '512Mi' }),
    ],
    initContainers: [asking('init', { cpu: '2', memory: '1Mi' })],
  });
  expect(podResourcesStatus(pod)).toEqual({
    resources: { requests: { cpu: '2', memory: '1Gi' }, limits: { cpu: '1' } },
    allocatedResources: { cpu: '2', memory: '1Gi' },
  });
});

test('a pod that asks for nothing has none', () => {
  expect(podResourcesStatus(makePod())).toEqual({ resources: {} });
});

test('resources of the pod as a whole stand in place of its containers', () => {
  const pod = makePod({
    containers: [asking('a', { cpu: '100m' })],
    resources: { limits: { cpu: '200m', memory: '128Mi' }, requests: { cpu: '200m', memory: '128Mi' } },
  });
  expect(podResourcesStatus(pod)).toEqual({
    resources: { requests: { cpu: '200m', memory: '128Mi' }, limits: { cpu: '200m', memory: '128Mi' } },
    allocatedResources: { cpu: '200m', memory: '128Mi' },
  });
});

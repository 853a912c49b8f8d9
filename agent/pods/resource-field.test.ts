import { describe, expect, test } from 'vitest';
import type { Container, Pod } from '../kube/types.ts';
import { resourceValueForVariable, resourceValueForVolume } from './resource-field.ts';

const app: Container = {
  name: 'app',
  resources: {
    limits: { cpu: '250m', memory: '64Mi', 'hugepages-2Mi': '4Mi' },
    requests: { cpu: '1', 'ephemeral-storage': '1G' },
  },
};
const bare: Container = { name: 'bare', resources: { limits: { memory: '0' } } };
const init: Container = { name: 'init' };
const pod: Pod = { spec: { containers: [app, bare], initContainers: [init] } };
const allocatable = { cpu: '1930m', memory: '4Gi', 'ephemeral-storage': '10Gi', pods: '110' };

describe('the resource of a container', () => {
  test.each<[string, string | undefined, string]>([
    ['limits.cpu', undefined, '1'],
    ['limits.cpu', '0', '1'],
    ['limits.cpu', '1m', '250'],
    ['limits.memory', undefined, '67108864'],
    ['limits.memory', '1Mi', '64'],
    ['limits.memory', '1G', '1'],
    ['limits.hugepages-2Mi', '1Mi', '4'],
    ['requests.cpu', '1m', '1000'],
    ['requests.memory', undefined, '0'],
    ['requests.ephemeral-storage', '1M', '1000'],
    ['requests.hugepages-1Gi', undefined, '0'],
  ])('%s by %s is rounded up to %s', (resource, divisor, value) => {
    const selector = { containerName: 'app', resource, ...(divisor === undefined ? {} : { divisor }) };
    expect(resourceValueForVolume(pod, selector, allocatable)).toBe(value);
    expect(resourceValueForVariable(pod, app, selector, allocatable)).toBe(value);
  });

  test.each(['limits.pods', 'limits', 'cpu', 'limits.nvidia.com/gpu'])('%s is none', (resource) => {
    expect(() => resourceValueForVolume(pod, { containerName: 'app', resource }, allocatable)).toThrow(
      `unsupported container resource : ${resource}`,
    );
  });

  test.each([
    ['limits.cpu', '1m', '1930'],
    ['limits.memory', '1Gi', '4'],
    ['limits.ephemeral-storage', '1Gi', '10'],
    ['limits.hugepages-2Mi', '1', '0'],
    ['requests.cpu', '1', '0'],
  ])('that is not set or 0: %s defaults to what the node has, where it does', (resource, divisor, value) => {
    expect(resourceValueForVolume(pod, { containerName: 'bare', resource, divisor }, allocatable)).toBe(value);
    expect(resourceValueForVariable(pod, bare, { resource, divisor }, allocatable)).toBe(value);
  });

  test('in a variable defaults to the limit of the pod before the node', () => {
    const limited: Pod = { spec: { ...pod.spec!, resources: { limits: { cpu: '500m', memory: '0' } } } };
    const value = (resource: string, divisor: string) =>
      resourceValueForVariable(limited, bare, { resource, divisor }, allocatable);
    expect(value('limits.cpu', '1m')).toBe('500');
    expect(value('limits.memory', '1Gi')).toBe('4');
    expect(
      resourceValueForVolume(limited, { containerName: 'bare', resource: 'limits.cpu', divisor: '1m' }, allocatable),
    ).toBe('1930');
  });

  test('in a variable of another container: an init container gets no default, an ordinary one does', () => {
    const value = (containerName: string) =>
      resourceValueForVariable(pod, app, { containerName, resource: 'limits.cpu', divisor: '1m' }, allocatable);
    expect(value('bare')).toBe('1930');
    expect(value('init')).toBe('0');
  });

  test('of a container that does not exist is an error', () => {
    expect(() => resourceValueForVolume(pod, { containerName: 'x', resource: 'limits.cpu' }, allocatable)).toThrow(
      'container x not found',
    );
  });
});

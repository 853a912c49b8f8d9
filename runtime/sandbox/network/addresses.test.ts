import { expect, test } from 'vitest';
import { podAddresses } from './addresses.ts';

const interfaces = [{ name: 'cni0' }, { name: 'eth0', sandbox: '/run/netns/x' }];

test('the addresses inside the namespace are the pod’s, the first of IPv4 leading', () => {
  const ips = [
    { address: 'fd00::5/64', interface: 1 },
    { address: '10.1.0.1/16', interface: 0 },
    { address: '10.1.0.5/16', interface: 1 },
    { address: '10.2.0.5/16' },
  ];
  expect(podAddresses({ interfaces, ips }, 'eth0')).toEqual(['10.1.0.5', 'fd00::5', '10.2.0.5']);
});

test('a pod of IPv6 alone is led by that', () => {
  expect(podAddresses({ ips: [{ version: '6', address: 'fd00::5/64' }] }, 'eth0')).toEqual(['fd00::5']);
});

test.each([
  ['no addresses', { ips: [] }, 'failed to find network info for eth0'],
  ['no result at all', undefined, 'malformed'],
])('%s is an error', (_, result, message) => {
  expect(() => podAddresses(result, 'eth0')).toThrow(message);
});

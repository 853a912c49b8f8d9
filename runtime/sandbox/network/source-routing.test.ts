import { expect, test } from 'vitest';
import { routesOf } from './source-routing.ts';

/** As `ip -j route show table main` of iproute2 has them. */
const IPV4 = [
  { dst: 'default', gateway: '10.123.0.1', dev: 'eth1', flags: [], nexthops: [] },
  { dst: 'default', gateway: '10.123.0.1', dev: 'eth0', flags: [], nexthops: [] },
  { dst: '10.123.0.0/16', dev: 'eth0', scope: 'link', prefsrc: '10.123.0.2', flags: ['linkdown'], nexthops: [] },
  { dst: '10.123.0.0/16', dev: 'eth1', scope: 'link', prefsrc: '10.123.0.3', flags: [], nexthops: [] },
];

test("an interface's routes are taken over, those to gateways last", () => {
  expect(routesOf(IPV4, 'eth1')).toEqual([
    '10.123.0.0/16 dev eth1 scope link src 10.123.0.3',
    'default via 10.123.0.1 dev eth1',
  ]);
  expect(routesOf(IPV4, 'eth0')).toEqual([
    '10.123.0.0/16 dev eth0 scope link src 10.123.0.2',
    'default via 10.123.0.1 dev eth0',
  ]);
  expect(routesOf(IPV4, 'eth2')).toEqual([]);
});

test('of a route that several interfaces have together, an interface takes its own way', () => {
  const hops = ['eth0', 'eth1'].map((dev) => ({ gateway: 'fd00:123::1', dev, flags: [] }));
  const all = [{ dst: 'default', metric: 1024, flags: [], nexthops: hops }];
  expect(routesOf(all, 'eth1')).toEqual(['default via fd00:123::1 dev eth1 metric 1024']);
});

test('a gateway beyond the subnet, of another family, or a route that refuses stays what it is', () => {
  const all = [
    { dst: 'default', gateway: '169.254.1.1', dev: 'eth0', flags: ['onlink'], nexthops: [] },
    { dst: '10.0.0.0/8', via: { family: 'inet6', host: 'fe80::1' }, dev: 'eth0', flags: [], nexthops: [] },
    { type: 'prohibit', dst: '192.0.2.0/24', dev: 'eth0', flags: [], nexthops: [] },
  ];
  expect(routesOf(all, 'eth0')).toEqual([
    'prohibit 192.0.2.0/24 dev eth0',
    'default via 169.254.1.1 dev eth0 onlink',
    '10.0.0.0/8 via inet6 fe80::1 dev eth0',
  ]);
});

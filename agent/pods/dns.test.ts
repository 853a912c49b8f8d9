import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Pod } from '../kube/types.ts';
import { podDns } from './dns.ts';
import { parseResolvConf, type DnsSettings } from './resolv-conf.ts';
import { makePod } from './testing/fixtures.ts';

let folder: string;
let events: string[];
let config: { nodeName: string; clusterDNS: string[]; clusterDomain: string; resolvConf: string };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-dns-'));
  events = [];
  const resolvConf = join(folder, 'resolv.conf');
  writeFileSync(resolvConf, 'nameserver 192.0.2.1\nsearch example.test.\noptions ndots:2 rotate\n');
  config = { nodeName: 'node-1', clusterDNS: ['10.0.0.10'], clusterDomain: 'cluster.local', resolvConf };
});

afterEach(() => rmSync(folder, { recursive: true }));

const dnsOf = (spec: Partial<NonNullable<Pod['spec']>>, hostIPs = ['10.1.1.1']): Promise<DnsSettings> =>
  podDns(
    {
      config,
      hostIPs: () => hostIPs,
      recorder: {
        record: ({ kind }, type, reason, message) => void events.push(`${kind} ${type} ${reason} ${message}`),
      },
    },
    makePod(spec),
  );

const OF_CLUSTER = {
  servers: ['10.0.0.10'],
  searches: ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local', 'example.test'],
  options: ['ndots:5'],
};
const OF_NODE = { servers: ['192.0.2.1'], searches: ['example.test'], options: ['ndots:2', 'rotate'] };
const NOTHING = { servers: [], searches: [], options: [] };

describe('the policy', () => {
  test.each<[string, Partial<NonNullable<Pod['spec']>>, DnsSettings]>([
    ['none given', {}, OF_CLUSTER],
    ['ClusterFirst', { dnsPolicy: 'ClusterFirst' }, OF_CLUSTER],
    ['ClusterFirst of a pod in the host’s network', { dnsPolicy: 'ClusterFirst', hostNetwork: true }, OF_NODE],
    ['ClusterFirstWithHostNet', { dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }, OF_CLUSTER],
    ['Default', { dnsPolicy: 'Default' }, OF_NODE],
    ['None', { dnsPolicy: 'None' }, NOTHING],
  ])('%s', async (_name, spec, expected) => {
    expect(await dnsOf(spec)).toEqual(expected);
    expect(events).toEqual([]);
  });

  test('ClusterFirst without a cluster’s DNS is Default, and two events say so', async () => {
    config.clusterDNS = [];
    expect(await dnsOf({})).toEqual(OF_NODE);
    const message =
      'kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy. ' +
      'Falling back to "Default" policy.';
    expect(events).toEqual([
      `Node Warning MissingClusterDNS ${message}`,
      `Pod Warning MissingClusterDNS pod: "web_default(uid-1)". ${message}`,
    ]);
  });

  test('Default without a file asks the machine itself', async () => {
    config.resolvConf = '';
    expect(await dnsOf({ dnsPolicy: 'Default' }, ['10.1.1.1', 'fd00::1'])).toEqual({
      servers: ['127.0.0.1', '::1'],
      searches: ['.'],
      options: [],
    });
  });

  test('a file that is not there fails, naming it', async () => {
    config.resolvConf = join(folder, 'missing');
    await expect(dnsOf({})).rejects.toThrow(`open ${config.resolvConf}: no such file or directory`);
  });
});

describe('dnsConfig', () => {
  test('adds servers and searches once, and its options win', async () => {
    const dnsConfig = {
      nameservers: ['10.0.0.10', '192.0.2.9'],
      searches: ['cluster.local', 'mine.test'],
      options: [{ name: 'ndots', value: '1' }, { name: 'edns0' }],
    };
    expect(await dnsOf({ dnsConfig })).toEqual({
      servers: ['10.0.0.10', '192.0.2.9'],
      searches: [...OF_CLUSTER.searches, 'mine.test'],
      options: ['ndots:1', 'edns0'],
    });
  });

  test('with too many servers is cut off, and an event says so', async () => {
    const nameservers = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'];
    const { servers } = await dnsOf({ dnsPolicy: 'None', dnsConfig: { nameservers } });
    expect(servers).toEqual(nameservers.slice(0, 3));
    expect(events).toEqual([
      'Pod Warning DNSConfigForming Nameserver limits were exceeded, some nameservers have been omitted, ' +
        'the applied nameserver line is: 192.0.2.1 192.0.2.2 192.0.2.3',
    ]);
  });

  const names = (count: number, length: number): string[] =>
    Array.from({ length: count }, (_, index) => String(index).padStart(length, 'a'));

  test.each([
    ['too many searches', names(33, 5), names(32, 5)],
    ['a search that is too long', [...names(2, 5), 'x'.repeat(254)], names(2, 5)],
    ['searches that are too long together', names(12, 200), names(10, 200)],
  ])('with %s is cut off, and an event says so', async (_name, searches, kept) => {
    expect((await dnsOf({ dnsPolicy: 'None', dnsConfig: { searches } })).searches).toEqual(kept);
    expect(events).toEqual([
      'Pod Warning DNSConfigForming Search Line limits were exceeded, some search paths have been omitted, ' +
        `the applied search line is: ${kept.join(' ')}`,
    ]);
  });
});

describe('the node’s file', () => {
  test('adds servers up; the last search line and the last option of a name win', () => {
    const text =
      '# x\nnameserver 1.1.1.1\n nameserver 2.2.2.2 \nsearch a. b\nsearch . c.\noptions x:1 y\noptions x:2\n';
    expect(parseResolvConf(text)).toEqual({ servers: ['1.1.1.1', '2.2.2.2'], searches: ['c'], options: ['x:2', 'y'] });
  });

  test('with a nameserver line that names none is refused', () => {
    expect(() => parseResolvConf('nameserver\n')).toThrow('nameserver list is empty');
  });
});

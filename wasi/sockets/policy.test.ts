import * as net from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { WasiNetworkPolicy } from '../wasi.ts';
import { parseAddress } from './address.ts';
import { NetworkPolicy } from './policy.ts';

const DEFAULTS: WasiNetworkPolicy = {
  allowLoopback: false,
  allow: [],
  deny: ['169.254.0.0/16', 'fe80::/10'],
  ownPorts: [10250],
};

function verdict(address: string, port = 80, change: Partial<WasiNetworkPolicy> = {}): string {
  const ip = parseAddress(address);
  if (ip === undefined) throw new Error(`no address: ${address}`);
  try {
    new NetworkPolicy(net, { ...DEFAULTS, ...change }).check({ ip, port });
    return 'reached';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe('in a network namespace of its own', () => {
  const own = { allowLoopback: true, ownAddresses: ['10.88.0.1', 'fd00:88::1'] };

  test.each(['10.88.0.1', '::ffff:10.88.0.1', 'fd00:88::1'])(
    "the agent's port is refused on %s, the node's",
    (address) => {
      expect(verdict(address, 10250, own)).toBe('EACCES');
      expect(verdict(address, 80, own)).toBe('reached');
    },
  );

  test.each(['127.0.0.1', '10.88.0.5'])('the same port of a pod, at %s, is reached', (address) => {
    expect(verdict(address, 10250, own)).toBe('reached');
  });
});

describe('by default', () => {
  test.each(['10.0.0.1', '192.0.2.1', '2001:db8::1', '::ffff:10.0.0.1', '239.0.0.1'])('%s is reached', (address) => {
    expect(verdict(address)).toBe('reached');
  });

  test.each([
    '127.0.0.1',
    '127.255.0.9',
    '0.0.0.0',
    '::1',
    '::',
    '::ffff:127.0.0.1',
    '64:ff9b::127.0.0.1',
    '169.254.169.254',
    '::ffff:169.254.169.254',
    '64:ff9b::169.254.169.254',
    'fe80::1',
    'febf::1',
  ])('%s is not', (address) => {
    expect(verdict(address)).toBe('EACCES');
  });
});

test('loopback is reached where it is allowed, but not the port of the agent', () => {
  expect(verdict('127.0.0.1', 80, { allowLoopback: true })).toBe('reached');
  expect(verdict('::ffff:127.0.0.1', 80, { allowLoopback: true })).toBe('reached');
  expect(verdict('127.0.0.1', 10250, { allowLoopback: true, allow: ['0.0.0.0/0'] })).toBe('EACCES');
});

test("the agent's port is denied on every address of this machine, and on no other", () => {
  for (const { address } of Object.values(networkInterfaces()).flatMap((list) => list ?? [])) {
    expect(verdict(address, 10250, { allowLoopback: true, deny: [] })).toBe('EACCES');
  }
  expect(verdict('192.0.2.1', 10250)).toBe('reached');
});

test('what is allowed by name comes before what is denied', () => {
  expect(verdict('169.254.169.254', 80, { allow: ['169.254.169.254'] })).toBe('reached');
  expect(verdict('169.254.169.253', 80, { allow: ['169.254.169.254'] })).toBe('EACCES');
  expect(verdict('127.0.0.1', 80, { allow: ['127.0.0.1/32'] })).toBe('reached');
  expect(verdict('10.1.2.3', 80, { deny: ['10.0.0.0/8'] })).toBe('EACCES');
});

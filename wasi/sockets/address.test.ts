import { describe, expect, test } from 'vitest';
import { formatAddress, inFamily, parseAddress, unembedded } from './address.ts';
import { SocketError } from './errors.ts';

const hex = (ip: Uint8Array | undefined): string | undefined => ip && Buffer.from(ip).toString('hex');

describe('an address in text', () => {
  test.each([
    ['127.0.0.1', '7f000001'],
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    ['2001:db8:1:2:3:4:5:6', '20010db8000100020003000400050006'],
    ['2001:db8::5:6', '20010db8000000000000000000050006'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001'],
    ['64:ff9b::169.254.169.254', '0064ff9b0000000000000000a9fea9fe'],
  ])('%s is read', (text, bytes) => {
    expect(hex(parseAddress(text))).toBe(bytes);
    const again = parseAddress(formatAddress(parseAddress(text) ?? new Uint8Array()));
    expect(hex(again)).toBe(bytes);
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1:2',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
    '::1.2.3',
    'a.b.c.d',
    '::g',
  ])('"%s" is none', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

test('an IPv4 address in IPv6 clothes is what it leads to', () => {
  for (const text of ['::ffff:169.254.169.254', '64:ff9b::169.254.169.254']) {
    expect(hex(unembedded(parseAddress(text) ?? new Uint8Array()))).toBe('a9fea9fe');
  }
  expect(hex(unembedded(parseAddress('fe80::1') ?? new Uint8Array()))).toMatch(/^fe80/);
});

test('a socket of IPv6 has IPv4 addresses mapped, one of IPv4 has none of IPv6', () => {
  expect(hex(inFamily(Uint8Array.of(1, 2, 3, 4), 6))).toBe('00000000000000000000ffff01020304');
  expect(() => inFamily(new Uint8Array(16), 4)).toThrow(SocketError);
});

import { describe, expect, test } from 'vitest';
import { hostnameOf, ownHostname } from './hostname.ts';
import { makePod } from './testing/fixtures.ts';

describe('the host name of a pod', () => {
  test('is its name, unless its spec has one', () => {
    expect(hostnameOf(makePod())).toBe('web');
    expect(hostnameOf(makePod({ hostname: 'other' }))).toBe('other');
    expect(hostnameOf(makePod({ hostname: 'other', hostnameOverride: 'web.example.com' }))).toBe('web.example.com');
  });

  test('has no more characters than Linux allows, and ends with none that it may not', () => {
    expect(hostnameOf(makePod({}, { metadata: { name: `${'a'.repeat(62)}-b` } }))).toBe('a'.repeat(62));
  });
});

describe('what a pod takes itself for', () => {
  const full = { hostname: 'web', subdomain: 'backend', setHostnameAsFQDN: true };

  test.each([
    ['its host name', { ...full, setHostnameAsFQDN: false }, 'web'],
    ['that with its domain, if it wishes so', full, 'web.backend.default.svc.cluster.local'],
    ['its host name alone where it has no domain', { hostname: 'web', setHostnameAsFQDN: true }, 'web'],
    ['the name that takes the place of all else', { ...full, hostnameOverride: 'a.b' }, 'a.b'],
  ])('is %s', (_what, spec, expected) => {
    expect(ownHostname(makePod(spec), 'cluster.local')).toBe(expected);
  });

  test('is refused where the kernel could not hold it', () => {
    const pod = makePod({ ...full, hostname: 'a'.repeat(40) });
    expect(() => ownHostname(pod, 'cluster.local')).toThrow(
      /is too long \(64 characters is the max, 74 characters requested\)$/,
    );
  });
});

import { expect, test } from 'vitest';
import { parseChallenges } from './challenge.ts';

test.each([
  ['Basic realm="Registry"', [{ scheme: 'basic', parameters: { realm: 'Registry' } }]],
  [
    'Bearer realm="https://auth.x/token",service="x",scope="repository:a/b:pull,push"',
    [
      {
        scheme: 'bearer',
        parameters: { realm: 'https://auth.x/token', service: 'x', scope: 'repository:a/b:pull,push' },
      },
    ],
  ],
  [
    'Negotiate, Bearer realm="r", Basic Realm=plain',
    [
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'bearer', parameters: { realm: 'r' } },
      { scheme: 'basic', parameters: { realm: 'plain' } },
    ],
  ],
  ['Bearer realm="a \\"quoted\\" name"', [{ scheme: 'bearer', parameters: { realm: 'a "quoted" name' } }]],
  ['', []],
  ['"""', []],
])('the challenge %s is read', (header, expected) => {
  expect(parseChallenges(header)).toEqual(expected);
});

test('several headers are several challenges', () => {
  expect(parseChallenges(['Basic realm="a"', 'Bearer realm="b"']).map(({ scheme }) => scheme)).toEqual([
    'basic',
    'bearer',
  ]);
});

import { expect, test } from 'vitest';
import { InvalidLogQuery, parseLogQuery } from './log-options.ts';

const NOW = Date.UTC(2026, 10, 21, 11, 0, 0, 250);
const parse = (query: string) => parseLogQuery(new URLSearchParams(query), NOW);
const NONE = { follow: false, previous: false, timestamps: false, stream: 'All' };

test.each([
  ['', NONE],
  ['follow=true&timestamps=1&previous=', { ...NONE, follow: true, timestamps: true, previous: true }],
  ['follow=false&timestamps=0&previous=False', NONE],
  ['tailLines=0&limitBytes=1', { ...NONE, tailLines: 0, limitBytes: 1 }],
  ['tail=7&tailLines=9', { ...NONE, tailLines: 7 }],
  ['tail=all&tailLines=9', NONE],
  ['stream=Stderr', { ...NONE, stream: 'Stderr' }],
  ['sinceSeconds=10', { ...NONE, since: { seconds: Math.floor(NOW / 1000) - 10, nanoseconds: 250_000_000 } }],
  [
    'sinceTime=2026-11-21T10:00:00Z',
    { ...NONE, since: { seconds: Date.UTC(2026, 10, 21, 10) / 1000, nanoseconds: 0 } },
  ],
  ['sinceTime=', NONE],
  ['insecureSkipTLSVerifyBackend=true&unknown=x', NONE],
])('%s', (query, options) => {
  expect(parse(query)).toEqual(options);
});

test.each(['tailLines=x', 'tailLines=1.5', 'limitBytes=', 'sinceSeconds=99999999999999999999', 'sinceTime=yesterday'])(
  '%s cannot be decoded',
  (query) => {
    expect(() => parse(query)).toThrow(new InvalidLogQuery(400));
  },
);

test.each([
  'tailLines=-1',
  'limitBytes=0',
  'sinceSeconds=0',
  'sinceSeconds=1&sinceTime=2026-11-21T10:00:00Z',
  'stream=Both',
  'stream=Stdout&tailLines=1',
])('%s is invalid', (query) => {
  expect(() => parse(query)).toThrow(new InvalidLogQuery(422));
});

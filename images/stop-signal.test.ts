import { expect, test } from 'vitest';
import { stopSignalName } from './stop-signal.ts';

test.each([
  ['SIGUSR1', 'SIGUSR1'],
  ['term', 'SIGTERM'],
  ['3', 'SIGQUIT'],
  ['RTMIN+3', 'SIGRTMIN+3'],
  ['SIGRTMAX-2', 'SIGRTMAX-2'],
  ['', undefined],
  ['999', undefined],
  ['SIGNONSENSE', undefined],
])('the stop signal %j of an image is %s', (text, expected) => {
  expect(stopSignalName(text)).toBe(expected);
});

import { expect, test } from 'vitest';
import { signalFromCri, signalToCri } from './signal.ts';

test.each([
  ['SIGUSR1', 'SIGUSR1'],
  ['SIGRTMIN+3', 'SIGRTMINPLUS3'],
  ['SIGRTMAX-1', 'SIGRTMAXMINUS1'],
  [undefined, 'RUNTIME_DEFAULT'],
])('the stop signal %s is %s in CRI', (name, cri) => {
  expect(signalToCri(name)).toBe(cri);
  expect(signalFromCri(cri)).toBe(name);
});

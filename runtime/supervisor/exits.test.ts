import { describe, expect, test } from 'vitest';
import { judgeExit } from './exits.ts';

const judge = (code: number | null, signal: NodeJS.Signals | null, sent?: NodeJS.Signals, lastWords = '') =>
  judgeExit({ end: { code, signal }, sent, oomKilled: false, lastWords });

test('a signal from outside is told of, as 128 and its number', () => {
  expect(judge(null, 'SIGKILL')).toMatchObject({
    exitCode: 137,
    reason: 'Error',
    message: expect.stringContaining('SIGKILL') as string,
  });
  expect(judge(null, 'SIGTERM')).toMatchObject({ exitCode: 143, reason: 'Error' });
});

test('a signal of our own needs no words', () => {
  expect(judge(null, 'SIGTERM', 'SIGTERM')).toMatchObject({ exitCode: 143, reason: 'Error', message: '' });
});

test('a fatal error of the engine comes with its report', () => {
  const exit = judge(null, 'SIGABRT', undefined, 'FATAL ERROR: out of memory');
  expect(exit).toMatchObject({ exitCode: 134, reason: 'Error' });
  expect(exit.message).toContain('FATAL ERROR: out of memory');
});

test('an adopted host that we have ended has the code of our signal', () => {
  expect(judge(null, null, 'SIGTERM')).toMatchObject({ exitCode: 143, reason: 'Error', message: '' });
});

test('an adopted host that ended unseen is unknown, as for the kubelet', () => {
  expect(judge(null, null)).toMatchObject({ exitCode: 137, reason: 'ContainerStatusUnknown' });
});

test('a host that ended without noting an exit never counts as a success', () => {
  expect(judge(0, null)).toMatchObject({ exitCode: 1, reason: 'Error' });
  expect(judge(3, null)).toMatchObject({ exitCode: 3, reason: 'Error' });
});

describe('a host whose container has exceeded its memory limit', () => {
  const oom = (code: number | null, signal: NodeJS.Signals | null, sent?: NodeJS.Signals) =>
    judgeExit({ end: { code, signal }, sent, oomKilled: true, lastWords: '' });

  test('and that was killed is OOMKilled, seen or unseen', () => {
    expect(oom(null, 'SIGKILL')).toMatchObject({ exitCode: 137, reason: 'OOMKilled', message: '' });
    expect(oom(null, null)).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
    expect(oom(null, 'SIGKILL', 'SIGTERM')).toMatchObject({ reason: 'OOMKilled' });
  });

  test('and that we have killed, or that ended otherwise, is not', () => {
    expect(oom(null, 'SIGKILL', 'SIGKILL')).toMatchObject({ exitCode: 137, reason: 'Error' });
    expect(oom(null, 'SIGTERM', 'SIGTERM')).toMatchObject({ exitCode: 143, reason: 'Error' });
    expect(oom(3, null)).toMatchObject({ exitCode: 3, reason: 'Error' });
  });
});

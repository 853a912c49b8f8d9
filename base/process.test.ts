import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { identityOf, isAlive, parseProcessStat, signalProcess } from './process.ts';

test('the name of a process may hold anything', () => {
  const text = `42 (a) S (b c) R ${Array.from({ length: 10 }, () => '0').join(' ')} 7 5 ${Array.from({ length: 6 }, () => '0').join(' ')} 999 0`;
  expect(parseProcessStat(text)).toEqual({ state: 'R', startTime: '999', cpuTicks: 12 });
});

test('a process is known by pid, start time and boot: none of them alone is enough', () => {
  const own = identityOf(process.pid);
  expect(isAlive(own)).toBe(true);
  expect(isAlive({ ...own, startTime: '1' })).toBe(false);
  expect(isAlive({ ...own, bootId: 'another' })).toBe(false);
});

test('a signal reaches only the process that was meant', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const identity = identityOf(child.pid!);
  expect(signalProcess({ ...identity, startTime: '1' }, 'SIGKILL')).toBe(false);
  expect(isAlive(identity)).toBe(true);
  expect(signalProcess(identity, 'SIGKILL')).toBe(true);
  await once(child, 'exit');
  expect(isAlive(identity)).toBe(false);
  expect(signalProcess(identity, 'SIGKILL')).toBe(false);
});

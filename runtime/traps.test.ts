import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildGuest } from '../test/support/guests.ts';
import { TestRuntime } from './test-runtime.ts';

const BUILD_MS = 300_000;
const SOURCE = readFileSync(join(import.meta.dirname, '../test/workloads/c/trap.c'), 'utf8').split('\n');

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start();
});
afterAll(() => runtime[Symbol.asyncDispose]());

const lineOf = (text: string): number => SOURCE.findIndex((line) => line.includes(text)) + 1;

async function trapOf(guest: 'trap' | 'trap-dwarf4' | 'trap-dwarf5', way: string, handler = 'wasm') {
  const image = { userSpecifiedImage: guest, imageRef: 'sha256:0', module: await buildGuest(guest) };
  const { container } = await runtime.run('(module)', { image, args: ['trap', way] }, handler);
  return runtime.exited(container);
}

test.for([
  ['trap-dwarf4', 'wasm'],
  ['trap-dwarf5', 'wasm'],
  ['trap-dwarf4', 'wasm-shared'],
  ['trap-dwarf5', 'wasm-shared'],
] as const)(
  'a trap in a guest with line numbers tells them (%s, %s)',
  { timeout: BUILD_MS },
  async ([guest, handler]) => {
    const { exitCode, message, logPath } = await trapOf(guest, 'divide', handler);
    const [trap, inner, middle, outer] = message.split('\n').map((line) => line.replace(/:\d+\)$/, ')'));
    expect({ exitCode, trap }).toEqual({ exitCode: 134, trap: 'divide by zero' });
    expect([inner, middle, outer]).toEqual([
      `    at inner (trap.c:${lineOf('return 100 / zero')})`,
      `    at middle (trap.c:${lineOf('return inner(how)')})`,
      `    at outer (trap.c:${lineOf('return middle(how)')})`,
    ]);
    expect(readFileSync(logPath, 'utf8')).toContain(' stderr F     at inner (trap.c:');
  },
);

test('an endless recursion tells the lines it goes through', { timeout: BUILD_MS }, async () => {
  const { message } = await trapOf('trap-dwarf4', 'stack');
  expect(message).toMatch(
    new RegExp(`^memory access out of bounds\n    at recurse \\(trap.c:12:.*\n    at recurse \\(trap.c:13:`),
  );
});

test('a trap in a guest without line numbers tells names alone', { timeout: BUILD_MS }, async () => {
  const { message } = await trapOf('trap', 'unreachable');
  expect(message).toMatch(/^unreachable\n {4}at inner\n {4}at middle\n {4}at outer\n/);
});

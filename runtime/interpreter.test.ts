import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exits, prints, SLEEPS, SPINS, TRAPS } from './test-guests.ts';
import { TestRuntime, until } from './test-runtime.ts';

/** Containers whose guests run in the embedded interpreter: `runtimeClassName: wasm-interpreter`. */

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start();
});
afterAll(() => runtime[Symbol.asyncDispose]());

const run = (text: string) => runtime.run(text, {}, 'wasm-interpreter');

describe('a container in the interpreter', () => {
  test('runs to its end, with its output in the log', async () => {
    const { container } = await run(prints('hello\n'));
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 0, reason: 'Completed', message: '' });
    expect(await runtime.output(container)).toBe('hello\n');
  });

  test('has its exit code', async () => {
    const { container } = await run(exits(7));
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 7, reason: 'Error' });
  });

  test('that traps tells where, in its status and in its log', async () => {
    const { container } = await run(TRAPS);
    const status = await runtime.exited(container);
    expect(status).toMatchObject({ exitCode: 134, reason: 'Error' });
    expect(status.message).toMatch(/unreachable[\s\S]*innermost[\s\S]*middle/);
    expect(readFileSync(status.logPath, 'utf8')).toMatch(/ stderr F .*innermost/);
  });

  test('that computes for ever is stopped', async () => {
    const { container } = await run(SPINS);
    await until(async () => (await runtime.output(container)).includes('spinning'));
    await runtime.service.stopContainer(container, 0);
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 137 });
  });

  test('tells how much it has computed', async () => {
    const { container } = await run(SPINS);
    const fuel = async () => (await runtime.service.listContainerStats({ id: container }))[0]?.fuelUsed ?? 0;
    await until(async () => (await fuel()) > 10_000_000);
    const { container: other } = await runtime.run(SPINS);
    expect((await runtime.service.listContainerStats({ id: other }))[0]).not.toHaveProperty('fuelUsed');
    await runtime.service.stopContainer(container, 0);
    await runtime.service.stopContainer(other, 0);
  });

  test('that sleeps is stopped', async () => {
    const { container } = await run(SLEEPS);
    await runtime.service.stopContainer(container, 10);
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 143 });
  });
});

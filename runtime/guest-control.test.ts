import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { connectRuntime } from './client.ts';
import type { GuestControlService, RuntimeService } from './service.ts';
import { SLEEPS, SPINS } from './test-guests.ts';
import { TestRuntime, until } from './test-runtime.ts';

/** What can be done from outside with the guests of an engine that can stand still. */

// On a busy machine processes take their time.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let runtime: TestRuntime;
let service: RuntimeService & GuestControlService;
beforeAll(async () => {
  runtime = await TestRuntime.start();
  service = await connectRuntime(runtime.options);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await runtime[Symbol.asyncDispose]();
});

const fuelOf = async (id: string) => (await service.listContainerStats({ id }))[0]?.fuelUsed ?? 0;

async function spinning(handler = 'wasm-interpreter'): Promise<string> {
  const { container } = await runtime.run(SPINS, {}, handler);
  await until(async () => (await runtime.output(container)).includes('spinning'));
  return container;
}

/** A container with a limit of fuel, started. */
async function limited(limit: string, handler = 'wasm-interpreter', text = SPINS): Promise<string> {
  const annotations = { 'fuel-limit.wasmlet.dev/main': limit };
  const sandbox = await service.runPodSandbox({ ...runtime.sandboxConfig(), annotations }, handler);
  const container = await service.createContainer(sandbox, await runtime.containerConfig(text));
  await service.startContainer(container);
  return container;
}

describe('a guest in the interpreter', () => {
  let container: string;
  beforeAll(async () => {
    container = await spinning();
  });
  afterAll(() => service.stopContainer(container, 0));

  test('that is paused computes nothing, until it is resumed', async () => {
    await service.pauseContainer(container);
    await service.pauseContainer(container);
    const { cpuUsageCoreNanoSeconds: before = 0 } = (await service.listContainerStats({ id: container }))[0] ?? {};
    const stack = await service.containerStack(container);
    expect(await service.containerStack(container)).toEqual(stack);
    const { cpuUsageCoreNanoSeconds: after = 0 } = (await service.listContainerStats({ id: container }))[0] ?? {};
    // Two answers, and not the loop that it would run.
    expect(after - before).toBeLessThan(1e9);
    const fuel = await fuelOf(container);
    await service.resumeContainer(container);
    await until(async () => (await fuelOf(container)) > fuel);
  });

  test('tells where it is', async () => {
    const [innermost] = await service.containerStack(container);
    expect(innermost?.function).toMatch(/\S/);
    expect(innermost?.offset).toBeGreaterThan(0);
  });

  test('is profiled by fuel', async () => {
    const profile = Buffer.from(await service.profileContainer(container, 300));
    expect(profile.includes('fuel')).toBe(true);
    const [innermost] = await service.containerStack(container);
    expect(profile.includes(innermost?.function ?? '?')).toBe(true);
  });

  test('is saved while it runs, and goes on', async () => {
    const location = join(runtime.root, 'checkpoint');
    await service.checkpointContainer(container, location);
    expect(readFileSync(location).subarray(0, 8).reverse().toString('latin1')).toContain('WLSNAP');
    const fuel = await fuelOf(container);
    await until(async () => (await fuelOf(container)) > fuel);
  });
});

test('a guest that waits for the host is paused and shown, but not saved', async () => {
  const { container } = await runtime.run(SLEEPS, {}, 'wasm-interpreter');
  await service.pauseContainer(container);
  expect((await service.containerStack(container)).length).toBeGreaterThan(0);
  await expect(service.checkpointContainer(container, join(runtime.root, 'none'))).rejects.toMatchObject({
    code: 'FailedPrecondition',
    message: expect.stringContaining('waits for the host') as string,
  });
  await service.stopContainer(container, 0);
});

test('a later supervisor controls the guests that it adopts', async () => {
  const container = await spinning();
  await runtime.killSupervisor();
  await runtime.answers();
  await service.pauseContainer(container);
  expect((await service.containerStack(container)).length).toBeGreaterThan(0);
  await service.stopContainer(container, 0);
});

test('a guest on V8 is told to be none that can be stopped or shown', async () => {
  const container = await spinning('wasm');
  await expect(service.pauseContainer(container)).rejects.toMatchObject({
    code: 'FailedPrecondition',
    message: expect.stringContaining('runtimeClassName wasm-interpreter') as string,
  });
  await service.stopContainer(container, 0);
});

test('a guest with threads says that it can be neither paused nor held to a limit', async () => {
  const threaded = SLEEPS.replace(
    '(memory (export "memory") 1)',
    '(import "env" "memory" (memory 1 1 shared)) (export "memory" (memory 0))',
  );
  const { container } = await runtime.run(threaded, {}, 'wasm-interpreter');
  await expect(service.pauseContainer(container)).rejects.toThrow('a guest with threads is neither paused');
  await service.stopContainer(container, 0);
  await expect(limited('1000', 'wasm-interpreter', threaded)).rejects.toThrow('its threads could not be held to');
});

describe('a limit of fuel', () => {
  test('ends a guest at the instruction that it does not pay for', async () => {
    const container = await limited('1000000');
    const status = await runtime.exited(container);
    expect(status).toMatchObject({ exitCode: 134, reason: 'Error' });
    expect(status.message).toMatch(/^all fuel consumed\n {4}at \S/);
  });

  test('is refused where it is none, or its engine does not count', async () => {
    await expect(limited('much')).rejects.toThrow('"much" is no whole number');
    await expect(limited('1000', 'wasm')).rejects.toThrow('needs an engine that counts');
  });
});

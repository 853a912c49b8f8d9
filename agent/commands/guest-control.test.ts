import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { SPINS } from '../../runtime/test-guests.ts';
import { TestRuntime, until } from '../../runtime/test-runtime.ts';

const CLI = join(import.meta.dirname, '..', 'cli.ts');
const TIMEOUT_MS = 120_000;

// On a busy machine processes take their time.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start();
});
afterAll(() => runtime[Symbol.asyncDispose]());

/** `wasmlet` as the person at this node calls it. @returns what it prints */
async function wasmlet(command: string, ...args: readonly string[]): Promise<string> {
  const words = [CLI, command, '--root-dir', runtime.root, ...args];
  return (await promisify(execFile)(process.execPath, words, { timeout: TIMEOUT_MS })).stdout;
}

async function spinning(handler: string): Promise<string> {
  const { container } = await runtime.run(SPINS, {}, handler);
  await until(async () => (await runtime.output(container)).includes('spinning'));
  return container;
}

test('a guest in the interpreter is paused, shown, profiled, saved and resumed by commands', async () => {
  const container = await spinning('wasm-interpreter');
  expect(await wasmlet('pause', container.slice(0, 13))).toBe(`${container}\n`);
  expect(await wasmlet('stack', container)).toMatch(/^#0 \S+ at 0x[0-9a-f]+\n$/);
  expect(JSON.parse(await wasmlet('stack', '-o', 'json', container))).toMatchObject([{ locals: [] }]);
  const [saved, profile] = [join(runtime.root, 'saved'), join(runtime.root, 'profile')];
  await wasmlet('checkpoint', container, '-o', saved);
  expect(readFileSync(saved).length).toBeGreaterThan(1000);
  expect(await wasmlet('resume', container)).toBe(`${container}\n`);
  await wasmlet('profile', container, '-d', '300ms', '-o', profile);
  expect(readFileSync(profile).includes('fuel')).toBe(true);
  await runtime.service.stopContainer(container, 0);
});

test('a guest on V8 is none that these commands can do anything with', async () => {
  const container = await spinning('wasm');
  await expect(wasmlet('stack', container)).rejects.toMatchObject({
    stderr: expect.stringContaining('run its pod with runtimeClassName wasm-interpreter') as string,
  });
  await runtime.service.stopContainer(container, 0);
});

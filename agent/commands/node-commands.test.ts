import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { counts, exits, REPORTS, SLEEPS } from '../../runtime/test-guests.ts';
import { assemble, TestRuntime } from '../../runtime/test-runtime.ts';
import { ago, table } from './table.ts';

const CLI = join(import.meta.dirname, '..', 'cli.ts');

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start();
});
afterAll(() => runtime[Symbol.asyncDispose]());

/** `wasmlet` as the person at this node calls it. */
async function wasmlet(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const [command = '', ...rest] = args;
  const child = spawn(process.execPath, [CLI, command, '--root-dir', runtime.root, ...rest], { timeout: 30_000 });
  const written = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (written.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (written.stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...written };
}

describe('at the node', () => {
  test('ps shows what runs, and with -a what has ended, as crictl does', async () => {
    const running = await runtime.run(SLEEPS);
    const ended = await runtime.run(exits(3));
    await runtime.exited(ended.container);
    const { stdout } = await wasmlet('ps');
    expect(stdout).toMatch(/^CONTAINER +IMAGE +CREATED +STATE +NAME +ATTEMPT +POD ID +POD +NAMESPACE\n/);
    const { metadata } = await runtime.service.podSandboxStatus(running.sandbox);
    expect(stdout).toMatch(
      new RegExp(
        `^${running.container.slice(0, 13)} +test:1 .* ago +Running +main +0 .*${metadata.name} +default$`,
        'm',
      ),
    );
    expect(stdout).not.toContain(ended.container.slice(0, 13));
    expect((await wasmlet('ps', '-a')).stdout).toMatch(new RegExp(`^${ended.container.slice(0, 13)} .*Exited`, 'm'));
    expect((await wasmlet('ps', '-aq')).stdout.split('\n')).toContain(ended.container);
    expect(JSON.parse((await wasmlet('ps', '-o', 'json')).stdout)).toMatchObject({
      containers: expect.arrayContaining([expect.objectContaining({ id: running.container })]) as unknown,
    });
  });

  test('inspect tells all of a container, by the beginning of its id', async () => {
    const { container, sandbox } = await runtime.run(SLEEPS);
    const { stdout } = await wasmlet('inspect', container.slice(0, 13));
    expect(JSON.parse(stdout)).toMatchObject({
      status: { id: container, state: 'CONTAINER_RUNNING' },
      sandbox: { id: sandbox },
      stats: { id: container, writableLayer: { usedBytes: expect.any(Number) as number } },
    });
  });

  test('logs prints what was written, and follows to the end', async () => {
    const { container } = await runtime.run(counts(3, 1_000_000));
    expect((await wasmlet('logs', '-f', container)).stdout).toBe('00000000\n00000001\n00000002\n');
    expect((await wasmlet('logs', '--tail', '1', container)).stdout).toBe('00000002\n');
    expect((await wasmlet('logs', '-t', '--tail', '1', container)).stdout).toMatch(/^\d{4}-\S+Z 00000002\n$/);
  });

  test('exec runs a program with its own flags, and has its exit code', async () => {
    const tree = join(runtime.root, 'tree');
    mkdirSync(tree);
    for (const [name, wat] of Object.entries({ main: SLEEPS, report: REPORTS, fail: exits(5) })) {
      writeFileSync(join(tree, name), await assemble(wat), { mode: 0o755 });
    }
    const image = { userSpecifiedImage: 'test:1', imageRef: 'sha256:0', tree };
    const { container } = await runtime.run(SLEEPS, { image, args: ['/main'] });
    const reported = await wasmlet('exec', container, '/report', '-a', '--root-dir', 'x');
    expect(reported).toMatchObject({ code: 0, stderr: '' });
    expect(reported.stdout.split('\0').slice(0, 4)).toEqual(['/report', '-a', '--root-dir', 'x']);
    expect((await wasmlet('exec', container, '/fail')).code).toBe(5);
    const missing = await wasmlet('exec', container, 'sh', '-c', 'true');
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('exec: "sh": executable file not found in $PATH');
  });

  test('stop ends a container and prints its id', async () => {
    const { container } = await runtime.run(SLEEPS);
    expect(await wasmlet('stop', container.slice(0, 20))).toMatchObject({ code: 0, stdout: `${container}\n` });
    expect(await runtime.service.containerStatus(container)).toMatchObject({ exitCode: 143 });
  });

  test('an id that nobody has is told of, and so is a node without a supervisor', async () => {
    expect(await wasmlet('inspect', 'zzz')).toMatchObject({
      code: 1,
      stderr: 'wasmlet: no container zzz: see wasmlet ps -a\n',
    });
    const { code, stderr } = await wasmlet('ps', '--runtime-socket', join(runtime.root, 'nothing.sock'));
    expect([code, stderr]).toEqual([1, expect.stringContaining('no runtime supervisor answers on')]);
  });
});

test('columns are as wide as their widest cell', () => {
  expect(
    table([
      ['A', 'B'],
      ['long', 'x'],
    ]),
  ).toBe('A      B\nlong   x\n');
});

test.each([
  [0, 'Less than a second ago'],
  [1, '1 second ago'],
  [59, '59 seconds ago'],
  [60, 'About a minute ago'],
  [150, '2 minutes ago'],
  [3600, 'About an hour ago'],
  [36_000, '10 hours ago'],
  [3 * 86_400, '3 days ago'],
  [21 * 86_400, '3 weeks ago'],
  [90 * 86_400, '3 months ago'],
  [800 * 86_400, '2 years ago'],
])('what was %i s ago was %s', (seconds, words) => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  expect(ago(new Date(now - seconds * 1000).toISOString(), now)).toBe(words);
});

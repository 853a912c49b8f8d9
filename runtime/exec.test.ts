import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mapOf } from './sandbox/linux/users.ts';
import type { ContainerConfig } from './service.ts';
import { exits, floods, prints, REPORTS, SLEEPS, SPINS, TRAPS } from './test-guests.ts';
import { assemble, TestRuntime, until } from './test-runtime.ts';
import { pathsBelow, readIfThere } from './test-folder.ts';

const PROGRAMS = {
  app: SLEEPS,
  out: prints('to stdout\n'),
  err: prints('to stderr\n', '', 2),
  seven: exits(7),
  spin: SPINS,
  sleep: SLEEPS,
  trap: TRAPS,
  report: REPORTS,
  flood: floods(17 * 16),
};

const START_FAILED =
  'failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: ' +
  'unable to start container process: ';

/** An image's tree with these programs in /bin. */
async function makeTree(runtime: TestRuntime): Promise<ContainerConfig['image']> {
  const tree = join(runtime.root, '..', 'tree');
  mkdirSync(join(tree, 'bin'), { recursive: true });
  for (const [name, wat] of Object.entries(PROGRAMS)) writeFileSync(join(tree, 'bin', name), await assemble(wat));
  return { userSpecifiedImage: 'a', imageRef: 'sha256:0', tree };
}

/** Commands that run in any container of this root, by their hosts' pids. */
function commandPids(runtime: TestRuntime): number[] {
  return pathsBelow(runtime.root)
    .filter((path) => /\/commands\/[0-9a-f]+\.json$/.test(path))
    .flatMap((path) => {
      const text = readIfThere(join(runtime.root, path));
      return text === '' ? [] : [(JSON.parse(text) as { body: { pid: number } }).body.pid];
    });
}

const isNamedExec = (pid: number): boolean => readIfThere(`/proc/${pid}/cmdline`).includes('(exec)');

/** Waits until one command has been given to its host. */
async function commandStarted(runtime: TestRuntime): Promise<number> {
  await until(() => commandPids(runtime).some(isNamedExec));
  return commandPids(runtime).find(isNamedExec)!;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

let runtime: TestRuntime;
let image: ContainerConfig['image'];
beforeAll(async () => {
  runtime = await TestRuntime.start();
  image = await makeTree(runtime);
});
afterAll(() => runtime[Symbol.asyncDispose]());

const running = async (change: Partial<ContainerConfig> = {}): Promise<string> =>
  (await runtime.run('(module)', { image, args: ['app'], ...change })).container;

describe('a command in a container', () => {
  test('gives back what it writes and its exit code, and nothing of it is in the log', async () => {
    const container = await running();
    expect(text((await runtime.service.execSync(container, ['out'], 10)).stdout)).toBe('to stdout\n');
    const { stdout, stderr, exitCode } = await runtime.service.execSync(container, ['/bin/err'], 0);
    expect([text(stdout), text(stderr), exitCode]).toEqual(['', 'to stderr\n', 0]);
    expect((await runtime.service.execSync(container, ['seven'], 0)).exitCode).toBe(7);
    expect(await runtime.output(container)).toBe('');
    expect(await runtime.service.containerStatus(container)).toMatchObject({ state: 'CONTAINER_RUNNING' });
  });

  test("has its own arguments and the container's environment", async () => {
    const container = await running({ envs: [{ key: 'COLOUR', value: 'blue' }] });
    const { stdout } = await runtime.service.execSync(container, ['report', '-x', 'y z'], 0);
    expect(text(stdout)).toBe('report\0-x\0y z\0COLOUR=blue\0');
  });

  test("is found in the container's working directory, and sees its mounts", async () => {
    const folder = join(runtime.root, '..', 'mounted');
    mkdirSync(folder);
    writeFileSync(join(folder, 'tool.wasm'), await assemble(prints('mounted\n')));
    const container = await running({
      workingDir: '/tools',
      mounts: [{ containerPath: '/tools', hostPath: folder, readonly: true }],
    });
    expect(text((await runtime.service.execSync(container, ['tool.wasm'], 0)).stdout)).toBe('mounted\n');
  });

  test.runIf(process.getuid?.() === 0)("is the container's user to the kernel", async () => {
    const securityContext = { runAsUser: 1234, runAsGroup: 5678, supplementalGroups: [], readonlyRootfs: false };
    const container = await running({ securityContext });
    const call = runtime.service.execSync(container, ['sleep'], 0);
    const pid = await commandStarted(runtime);
    // By the users that its host may have of its own.
    const first = mapOf(pid)?.first ?? 0;
    const ids = () => /^Uid:\s+\d+\s+(\d+)[^]*^Gid:\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    await until(() => Number(ids()?.[1]) - first === 1234);
    expect(Number(ids()?.[2]) - first).toBe(5678);
    await runtime.service.stopContainer(container, 0);
    await call;
  });

  test('that traps ends with the code of SIGABRT and tells where', async () => {
    const { exitCode, stderr } = await runtime.service.execSync(await running(), ['trap'], 0);
    expect(exitCode).toBe(134);
    expect(text(stderr)).toMatch(/unreachable[\s\S]*innermost/);
  });

  test('gives back the first 16 MiB of what it writes', async () => {
    const { stdout, exitCode } = await runtime.service.execSync(await running(), ['flood'], 0);
    expect([stdout.length, exitCode]).toEqual([16 * 1024 * 1024, 0]);
  });

  test('that takes longer than it may is killed', async () => {
    const container = await running();
    const call = runtime.service.execSync(container, ['spin'], 1);
    const refused = expect(call).rejects.toMatchObject({
      code: 'DeadlineExceeded',
      message: 'failed to exec in container: timeout 1s exceeded: context deadline exceeded',
    });
    const pid = await commandStarted(runtime);
    await refused;
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  test('that is given up is killed', async () => {
    const given = new AbortController();
    const call = runtime.service.execSync(await running(), ['sleep'], 0, given.signal);
    const refused = expect(call).rejects.toMatchObject({ code: 'Cancelled' });
    await commandStarted(runtime);
    given.abort();
    await refused;
    await until(() => commandPids(runtime).length === 0);
  });

  test('is killed when the client that waits for it goes', async () => {
    const container = await running();
    const client = await runtime.connect();
    const refused = expect(client.execSync(container, ['sleep'], 0)).rejects.toMatchObject({ code: 'Unavailable' });
    await commandStarted(runtime);
    await client[Symbol.asyncDispose]();
    await refused;
    await until(() => commandPids(runtime).length === 0);
  });

  test('ends with its container', async () => {
    const container = await running();
    const call = runtime.service.execSync(container, ['sleep'], 0);
    await commandStarted(runtime);
    await runtime.service.stopContainer(container, 0);
    expect((await call).exitCode).toBe(137);
    expect(commandPids(runtime)).toEqual([]);
  });

  test('ends with its container when that is removed', async () => {
    const container = await running();
    const call = runtime.service.execSync(container, ['sleep'], 0);
    await commandStarted(runtime);
    await runtime.service.removeContainer(container);
    expect((await call).exitCode).toBe(137);
  });

  test("counts in the container's statistics, also when it has ended", async () => {
    const container = await running();
    const usage = async () => (await runtime.service.listContainerStats({ id: container }))[0]!;
    const before = await usage();
    const call = runtime.service.execSync(container, ['spin'], 1);
    const refused = expect(call).rejects.toMatchObject({ code: 'DeadlineExceeded' });
    await commandStarted(runtime);
    expect((await usage()).memoryWorkingSetBytes).toBeGreaterThan(before.memoryWorkingSetBytes + 2e6);
    await refused;
    expect((await usage()).cpuUsageCoreNanoSeconds).toBeGreaterThan(before.cpuUsageCoreNanoSeconds + 1e8);
  });
});

describe('a command that cannot run', () => {
  test('because there is none of its name, is told in the words of runc', async () => {
    const container = await running();
    await expect(runtime.service.execSync(container, ['nope'], 0)).rejects.toMatchObject({
      code: 'FailedPrecondition',
      message: `${START_FAILED}exec: "nope": executable file not found in $PATH`,
    });
    await expect(runtime.service.execSync(container, ['/nope'], 0)).rejects.toMatchObject({
      message: `${START_FAILED}exec: "/nope": stat /nope: no such file or directory`,
    });
  });

  test('because its container does not, is told its state', async () => {
    const { container } = await runtime.run(exits(0));
    await runtime.exited(container);
    await expect(runtime.service.execSync(container, ['main'], 0)).rejects.toMatchObject({
      code: 'FailedPrecondition',
      message: 'failed to exec in container: container is in CONTAINER_EXITED state',
    });
    await expect(runtime.service.execSync('none', ['main'], 0)).rejects.toMatchObject({ code: 'NotFound' });
  });

  test('because the image is a bare module, is told the one program that there is', async () => {
    const { container } = await runtime.run(SLEEPS, { args: ['/main.wasm'] });
    await expect(runtime.service.execSync(container, ['ls'], 0)).rejects.toMatchObject({
      message: `${START_FAILED}exec: "ls": executable file not found in $PATH: the image is a bare module, so "/main.wasm" is the only program in it`,
    });
    const call = runtime.service.execSync(container, ['main.wasm'], 1);
    await expect(call).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  });
});

describe('a supervisor that is killed', () => {
  test('leaves no command to the next one, and no file of it', async () => {
    await using own = await TestRuntime.start();
    const { container } = await own.run('(module)', { image: await makeTree(own), args: ['app'] });
    const call = expect(own.service.execSync(container, ['spin'], 0)).rejects.toMatchObject({ code: 'Unavailable' });
    const pid = await commandStarted(own);
    await own.killSupervisor();
    await call;
    await own.answers();
    await until(() => !readdirSync('/proc').includes(String(pid)));
    expect(commandPids(own)).toEqual([]);
    expect(await own.service.containerStatus(container)).toMatchObject({ state: 'CONTAINER_RUNNING' });
    expect((await own.service.execSync(container, ['seven'], 0)).exitCode).toBe(7);
    // The files of the container's host and of the one that waits.
    const files = () => readdirSync(join(own.root, 'run')).filter((name) => /\.(sock|stderr)$/.test(name));
    await until(() => new Set(files().map((name) => basename(name).split('.')[0])).size <= 2);
  });
});

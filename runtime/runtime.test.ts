import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findLayout } from './sandbox/cgroup-layout.ts';
import { counts, exits, prints, SLEEPS, SPINS, TRAPS } from './test-guests.ts';
import { assemble, TestRuntime, until, watchEvents } from './test-runtime.ts';
import { pathsBelow } from './test-folder.ts';

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start();
});
afterAll(() => runtime[Symbol.asyncDispose]());

describe('a container', () => {
  test('runs to its end, with its output in the log', async () => {
    const { container } = await runtime.run(prints('hello\n'));
    expect(await runtime.exited(container)).toMatchObject({
      state: 'CONTAINER_EXITED',
      exitCode: 0,
      reason: 'Completed',
      message: '',
    });
    expect(await runtime.output(container)).toBe('hello\n');
  });

  test('has times in their order', async () => {
    const { container } = await runtime.run(prints('hello\n'));
    const { createdAt, startedAt, finishedAt } = await runtime.exited(container);
    expect([createdAt, startedAt, finishedAt]).toEqual([createdAt, startedAt, finishedAt].toSorted());
  });

  test.each([
    [7, 7],
    [256 + 3, 3],
  ])('that exits with %i has exit code %i', async (code, expected) => {
    const { container } = await runtime.run(exits(code));
    expect(await runtime.exited(container)).toMatchObject({ exitCode: expected, reason: 'Error' });
  });

  test('that traps tells where, in its status and in its log', async () => {
    const { container } = await runtime.run(TRAPS);
    const status = await runtime.exited(container);
    expect(status).toMatchObject({ exitCode: 134, reason: 'Error' });
    expect(status.message).toMatch(/unreachable[\s\S]*innermost[\s\S]*middle/);
    expect(readFileSync(status.logPath, 'utf8')).toMatch(/ stderr F .*innermost/);
  });

  test('whose last line is unfinished has it in the log', async () => {
    const { container } = await runtime.run(prints('no line feed'));
    const { logPath } = await runtime.exited(container);
    expect(readFileSync(logPath, 'utf8')).toMatch(/ stdout P no line feed\n$/);
  });

  test('that is ended by a signal loses nothing of an unfinished line', async () => {
    const { container } = await runtime.run(prints('whole\nhalf', '(loop $again (br $again))'));
    const { logPath } = await runtime.service.containerStatus(container);
    await until(() => existsSync(logPath) && readFileSync(logPath, 'utf8').includes('whole'));
    await until(() => {
      const partial = pathsBelow(runtime.root).find((path) => path.endsWith(join(container, 'state', 'partial')));
      return partial !== undefined && readFileSync(join(runtime.root, partial), 'utf8').includes('half');
    });
    await runtime.service.stopContainer(container, 0);
    expect(readFileSync(logPath, 'utf8')).toMatch(/ stdout F whole\n.* stdout P half\n$/);
  });

  test('that computes without end stops at once', async () => {
    const { container } = await runtime.run(SPINS);
    const before = performance.now();
    await runtime.service.stopContainer(container, 30);
    expect(performance.now() - before).toBeLessThan(2000);
    expect(await runtime.service.containerStatus(container)).toMatchObject({ exitCode: 143, reason: 'Error' });
  });

  test('that sleeps stops at once, and stopping it again is no error', async () => {
    const { container } = await runtime.run(SLEEPS);
    await runtime.service.stopContainer(container, 30);
    await runtime.service.stopContainer(container, 30);
    expect(await runtime.service.containerStatus(container)).toMatchObject({ exitCode: 143 });
  });

  test('whose host is killed has exit code 137', async () => {
    const { container } = await runtime.run(SLEEPS);
    process.kill(runtime.hostPid(container), 'SIGKILL');
    const status = await runtime.exited(container);
    expect(status).toMatchObject({ exitCode: 137, reason: 'Error' });
    expect(status.message).toContain('SIGKILL');
  });

  test('sees its arguments and nothing of the supervisor in the environment', async () => {
    const { container } = await runtime.run(SLEEPS);
    const environment = readFileSync(`/proc/${runtime.hostPid(container)}/environ`, 'utf8');
    expect(environment.split('\0').filter((entry) => entry !== '' && !entry.startsWith('TZ='))).toEqual([]);
    await runtime.service.stopContainer(container, 0);
  });

  test('has statistics while it runs', async () => {
    const { container } = await runtime.run(SPINS);
    const filter = { id: container };
    await until(
      async () => ((await runtime.service.listContainerStats(filter))[0]?.cpuUsageCoreNanoSeconds ?? 0) > 1e8,
    );
    const [stats] = await runtime.service.listContainerStats(filter);
    expect(stats).toMatchObject({ id: container, metadata: { name: 'main', attempt: 0 }, labels: { part: 'main' } });
    expect(stats!.memoryWorkingSetBytes).toBeGreaterThan(5e6);
    await runtime.service.stopContainer(container, 0);
    expect(await runtime.service.listContainerStats(filter)).toEqual([]);
  });

  test('rotates its log itself', async () => {
    const { container } = await runtime.run(counts(3000, 0), { logLimits: { maxSize: 20_000, maxFiles: 3 } });
    const { logPath } = await runtime.exited(container);
    const files = readdirSync(dirname(logPath)).sort();
    expect(files).toHaveLength(3);
    expect(readFileSync(logPath, 'utf8')).toContain('00002999');
  });
});

describe('a container that cannot start', () => {
  async function startError(wat: string | undefined, change = {}) {
    const sandbox = await runtime.service.runPodSandbox(runtime.sandboxConfig(), 'wasm');
    const config = await runtime.containerConfig(wat ?? '(module)', change);
    const container = await runtime.service.createContainer(sandbox, config);
    const error: unknown = await runtime.service.startContainer(container).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const status = await runtime.service.containerStatus(container);
    expect(error).toMatchObject({ code: 'FailedPrecondition', message: status.message });
    expect(status).toMatchObject({ state: 'CONTAINER_EXITED', exitCode: 128, reason: 'StartError' });
    expect(status.startedAt).toBeUndefined();
    return status.message;
  }

  test('because it asks for what there is not, says so', async () => {
    expect(await startError('(module (import "env" "missing" (func)) (func (export "_start")))')).toContain('missing');
  });

  test('because it is no command, says so', async () => {
    expect(await startError('(module)')).toContain('_start');
  });

  test('because the module does not exist or is none, says so', async () => {
    const image = { userSpecifiedImage: 'a', imageRef: 'sha256:0' };
    expect(await startError(undefined, { image: { ...image, module: '/nonexistent.wasm' } })).toContain(
      '/nonexistent.wasm',
    );
    const text = join(runtime.root, 'text.wasm');
    writeFileSync(text, '#!/bin/sh');
    expect(await startError(undefined, { image: { ...image, module: text } })).not.toBe('');
  });

  test("because its program is not in the image, has runc's words", async () => {
    const image = { userSpecifiedImage: 'a', imageRef: 'sha256:0' };
    expect(await startError(undefined, { image, args: ['foo'] })).toBe(
      'exec: "foo": executable file not found in $PATH',
    );
  });
});

describe('a container with a file tree', () => {
  test('runs a program of the tree, and a copy of that, where it needs one, goes with it', async () => {
    const tree = join(runtime.root, '..', 'tree');
    mkdirSync(join(tree, 'bin'), { recursive: true });
    writeFileSync(join(tree, 'bin', 'app'), await assemble(prints('from the tree\n')));
    const image = { userSpecifiedImage: 'a', imageRef: 'sha256:0', tree };
    const { sandbox, container } = await runtime.run('(module)', { image, args: ['app'] });
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 0 });
    expect(await runtime.output(container)).toBe('from the tree\n');
    const copies = () => pathsBelow(runtime.root).filter((path) => path.endsWith('bin/app'));
    const { rootFilesystem } = await runtime.service.containerStatus(container);
    expect(copies()).toHaveLength(rootFilesystem === 'copy' ? 1 : 0);
    await runtime.service.removePodSandbox(sandbox);
    expect(copies()).toEqual([]);
  });
});

describe('the service', () => {
  test('says what it is and what it can do', async () => {
    expect(await runtime.service.version()).toMatchObject({ runtimeName: 'wasmlet' });
    const { conditions, runtimeHandlers } = await runtime.service.status();
    expect(conditions.map(({ type, status }) => [type, status])).toEqual([
      ['RuntimeReady', true],
      ['NetworkReady', true],
      ['HostsConfined', expect.any(Boolean)],
      ['ControlGroupsReady', findLayout() !== undefined],
    ]);
    expect(runtimeHandlers.map(({ name }) => name)).toEqual(['', 'wasm', 'wasm-shared', 'wasm-interpreter']);
  });

  test('gives a repeated request the answer of the first, and refuses another under the same name', async () => {
    const { service } = runtime;
    const pod = runtime.sandboxConfig();
    const [first, second] = await Promise.all([service.runPodSandbox(pod, 'wasm'), service.runPodSandbox(pod, 'wasm')]);
    expect(first).toBe(second);
    await expect(service.runPodSandbox({ ...pod, hostname: 'x' }, 'wasm')).rejects.toMatchObject({
      code: 'AlreadyExists',
    });
    const config = await runtime.containerConfig(SLEEPS);
    const [one, two] = await Promise.all([
      service.createContainer(first, config),
      service.createContainer(first, config),
    ]);
    expect(one).toBe(two);
    await expect(service.createContainer(first, { ...config, args: ['x'] })).rejects.toMatchObject({
      code: 'AlreadyExists',
    });
    await Promise.all([service.startContainer(one), service.startContainer(one)]);
    expect(await service.listContainers({ podSandboxId: first, state: 'CONTAINER_RUNNING' })).toHaveLength(1);
  });

  test('refuses what is wrong by a code', async () => {
    const { service } = runtime;
    await expect(service.runPodSandbox(runtime.sandboxConfig(), 'gvisor')).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: 'no runtime for "gvisor" is configured',
    });
    const outside = { ...runtime.sandboxConfig(), metadata: { name: 'x', uid: '..', namespace: 'a', attempt: 0 } };
    await expect(service.runPodSandbox(outside, '')).rejects.toMatchObject({ code: 'InvalidArgument' });
    await expect(service.containerStatus('none')).rejects.toMatchObject({ code: 'NotFound' });
    await expect(service.podSandboxStatus('none')).rejects.toMatchObject({ code: 'NotFound' });
    await expect(service.startContainer('none')).rejects.toMatchObject({ code: 'NotFound' });
    await service.stopContainer('none', 1);
    await service.removeContainer('none');
    await service.stopPodSandbox('none');
    await service.removePodSandbox('none');
  });

  test('lists by id, state and labels', async () => {
    const { service } = runtime;
    const { sandbox, container } = await runtime.run(SLEEPS);
    const { labels } = await service.podSandboxStatus(sandbox);
    expect((await service.listPodSandbox({ labelSelector: labels })).map(({ id }) => id)).toEqual([sandbox]);
    expect(await service.listPodSandbox({ labelSelector: { app: 'other' } })).toEqual([]);
    expect((await service.listContainers({ podSandboxId: sandbox })).map(({ id }) => id)).toEqual([container]);
    expect(await service.listContainers({ id: container, state: 'CONTAINER_EXITED' })).toEqual([]);
  });

  test('tells of each change, in order', async () => {
    using watch = watchEvents(runtime.service);
    const seen: string[] = [];
    const first = watch.next(() => true);
    // The subscription stands once a call that was made after it is answered.
    await runtime.service.version();
    const { sandbox, container } = await runtime.run(exits(0));
    await runtime.exited(container);
    await runtime.service.removePodSandbox(sandbox);
    for (let event = await first; ; event = await watch.next(() => true)) {
      const name = event.containerId === sandbox ? 'sandbox' : event.containerId === container ? 'container' : 'other';
      seen.push(`${name} ${event.type.replace(/CONTAINER_(.*)_EVENT/, '$1')}`);
      if (seen.at(-1) === 'sandbox DELETED') break;
    }
    expect(seen.filter((event) => !event.startsWith('other'))).toEqual([
      'sandbox CREATED',
      'sandbox STARTED',
      'container CREATED',
      'container STARTED',
      'container STOPPED',
      'sandbox STOPPED',
      'container DELETED',
      'sandbox DELETED',
    ]);
  });

  test('kills what runs in a sandbox that is stopped, and starts nothing in it any more', async () => {
    const { sandbox, container } = await runtime.run(SPINS);
    await runtime.service.stopPodSandbox(sandbox);
    expect(await runtime.service.containerStatus(container)).toMatchObject({ exitCode: 137, reason: 'Error' });
    expect(await runtime.service.podSandboxStatus(sandbox)).toMatchObject({ state: 'SANDBOX_NOTREADY' });
    await expect(runtime.service.createContainer(sandbox, await runtime.containerConfig(SLEEPS))).rejects.toMatchObject(
      {
        code: 'FailedPrecondition',
      },
    );
  });

  test('leaves no process, socket or file when a sandbox is removed; the log stays', async () => {
    const { sandbox, container } = await runtime.run(SPINS);
    const { logPath } = await runtime.service.containerStatus(container);
    const pid = runtime.hostPid(container);
    await runtime.service.removePodSandbox(sandbox);
    for (const { id } of await runtime.service.listPodSandbox()) await runtime.service.removePodSandbox(id);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(existsSync(logPath)).toBe(true);
    expect(readdirSync(join(runtime.root, 'pods'))).toEqual([]);
    // What is left is the code of the hosts and what the one that waits has.
    for (const kind of ['.sock', '.stderr']) {
      await until(() => readdirSync(join(runtime.root, 'run')).filter((name) => name.endsWith(kind)).length <= 1);
    }
  });
});

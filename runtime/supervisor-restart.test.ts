import { execFileSync, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../base/log.ts';
import { bootId, identityOf } from '../base/process.ts';
import type { ProcessIdentity } from '../base/process.ts';
import { connectRuntime } from './client.ts';
import { MAX_MESSAGE_BYTES } from './protocol.ts';
import { counts, exits, prints, SLEEPS, SPINS } from './test-guests.ts';
import { TestRuntime, until } from './test-runtime.ts';
import { pathsBelow } from './test-folder.ts';

const LINES = 2000;

describe('a supervisor that is killed', () => {
  test('is followed by one that adopts what runs; the log has every line once', async () => {
    await using runtime = await TestRuntime.start();
    const { container } = await runtime.run(counts(LINES, 5_000_000));
    const pid = runtime.hostPid(container);
    for (let kills = 0; kills < 2; kills++) {
      await runtime.killSupervisor();
      await runtime.answers();
      expect(await runtime.service.containerStatus(container)).toMatchObject({ state: 'CONTAINER_RUNNING' });
      expect(runtime.hostPid(container)).toBe(pid);
    }
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 0, reason: 'Completed' });
    const lines = (await runtime.output(container)).trimEnd().split('\n');
    expect(lines).toEqual(Array.from({ length: LINES }, (_, index) => String(index).padStart(8, '0')));
  });

  test('loses no exit that happened while there was none', async () => {
    await using runtime = await TestRuntime.start();
    const config = counts(40, 5_000_000);
    const { container } = await runtime.run(config);
    const pid = runtime.hostPid(container);
    await runtime.killSupervisor();
    await until(() => !alive(pid));
    const service = await runtime.connect();
    expect(await service.containerStatus(container)).toMatchObject({ exitCode: 0, reason: 'Completed' });
    await service[Symbol.asyncDispose]();
  });

  test('ends the streams of events with Unavailable, and the next call finds another', async () => {
    await using runtime = await TestRuntime.start();
    const stream = runtime.service.containerEvents(AbortSignal.timeout(60_000))[Symbol.asyncIterator]();
    const next = expect(stream.next()).rejects.toMatchObject({ code: 'Unavailable' });
    await runtime.service.version();
    await runtime.killSupervisor();
    await next;
    expect(await runtime.service.version()).toMatchObject({ runtimeName: 'wasmlet' });
  });

  test('leaves no host that waits', async () => {
    await using runtime = await TestRuntime.start();
    await until(() => runtime.waitingHosts().length === 1);
    await runtime.killSupervisor();
    await until(() => runtime.waitingHosts().length === 0);
    await runtime.answers();
  });
});

describe('an adopted host', () => {
  async function adopted(wat: string) {
    const runtime = await TestRuntime.start();
    const { container } = await runtime.run(wat);
    await runtime.killSupervisor();
    await runtime.answers();
    return { runtime, container, pid: runtime.hostPid(container) };
  }

  test('whose guest computes without end can be stopped', async () => {
    const { runtime, container } = await adopted(SPINS);
    await using _runtime = runtime;
    await runtime.service.stopContainer(container, 30);
    expect(await runtime.service.containerStatus(container)).toMatchObject({ exitCode: 143, reason: 'Error' });
  });

  test('that is killed is noticed at once, though its guest computes', async () => {
    const { runtime, container, pid } = await adopted(SPINS);
    await using _runtime = runtime;
    process.kill(pid, 'SIGKILL');
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 137, reason: 'ContainerStatusUnknown' });
  });

  test('that is gone, with its pid used by another process, is never signalled', async () => {
    await using runtime = await TestRuntime.start();
    const { container } = await runtime.run(SLEEPS);
    await runtime.killSupervisor();
    process.kill(runtime.hostPid(container), 'SIGKILL');
    const state = pathsBelow(runtime.root).find((path) => path.endsWith('state.json'))!;
    const record = JSON.parse(readFileSync(join(runtime.root, state), 'utf8')) as { body: { host: { pid: number } } };
    record.body.host.pid = process.pid;
    writeFileSync(join(runtime.root, state), JSON.stringify(record));
    await runtime.answers();
    expect(await runtime.service.containerStatus(container)).toMatchObject({
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
    });
    await runtime.service.stopContainer(container, 0);
  });
});

const CLAIMED_AT = '2026-01-01T00:00:00.000000000Z';

/** Creates a container, and leaves it as a supervisor does that is killed right after it has claimed a host. */
async function claimedContainer(runtime: TestRuntime, host: ProcessIdentity): Promise<string> {
  const sandbox = await runtime.service.runPodSandbox(runtime.sandboxConfig(), 'wasm');
  const container = await runtime.service.createContainer(sandbox, await runtime.containerConfig(prints('ran\n')));
  await runtime.killSupervisor();
  const config = pathsBelow(runtime.root).find((path) => path.endsWith(join(container, 'config.json')))!;
  const body = { host: { id: '0123456789abcdef', ...host }, claimedAt: CLAIMED_AT };
  const record = JSON.stringify({ kind: 'ContainerState', version: 1, body });
  writeFileSync(join(runtime.root, dirname(config), 'state.json'), record);
  await runtime.answers();
  return container;
}

test('a container whose host was chosen does not run before it is known, and is started once', async () => {
  await using runtime = await TestRuntime.start();
  const child = spawn('sleep', ['600']);
  try {
    const container = await claimedContainer(runtime, identityOf(child.pid!));
    const status = await runtime.service.containerStatus(container);
    expect(status).toMatchObject({ state: 'CONTAINER_CREATED' });
    expect(status.startedAt).toBeUndefined();
    const started = runtime.service.startContainer(container);
    expect(await runtime.service.containerStatus(container)).toMatchObject({ state: 'CONTAINER_CREATED' });
    child.kill('SIGKILL');
    await started;
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 0, reason: 'Completed' });
    expect(await runtime.output(container)).toBe('ran\n');
  } finally {
    child.kill('SIGKILL');
  }
});

test('a container runs from when its log is there, though its supervisor died before, and whatever becomes of the log', async () => {
  await using runtime = await TestRuntime.start();
  const child = spawn('sleep', ['600']);
  try {
    const container = await claimedContainer(runtime, identityOf(child.pid!));
    const { logPath } = await runtime.service.containerStatus(container);
    const started = runtime.service.startContainer(container);
    mkdirSync(dirname(logPath), { recursive: true });
    writeFileSync(logPath, '');
    await started;
    const running = { state: 'CONTAINER_RUNNING', startedAt: CLAIMED_AT };
    expect(await runtime.service.containerStatus(container)).toMatchObject(running);
    rmSync(logPath);
    expect(await runtime.service.containerStatus(container)).toMatchObject(running);
    await runtime.killSupervisor();
    await runtime.answers();
    expect(await runtime.service.containerStatus(container)).toMatchObject(running);
  } finally {
    child.kill('SIGKILL');
  }
});

test('a container whose supervisor died before its guest was started is created still, and can be started', async () => {
  await using runtime = await TestRuntime.start();
  const container = await claimedContainer(runtime, { pid: 999_999_999, startTime: '1', bootId: bootId() });
  expect(await runtime.service.containerStatus(container)).toMatchObject({ state: 'CONTAINER_CREATED' });
  await runtime.service.startContainer(container);
  expect(await runtime.exited(container)).toMatchObject({ exitCode: 0, reason: 'Completed' });
  expect(await runtime.output(container)).toBe('ran\n');
});

test('after a restart of the machine containers are unknown and sandboxes not ready', async () => {
  await using runtime = await TestRuntime.start();
  const { sandbox, container } = await runtime.run(SLEEPS);
  await runtime.killSupervisor();
  process.kill(runtime.hostPid(container), 'SIGKILL');
  for (const path of pathsBelow(runtime.root)) {
    if (!/(state|sandbox)\.json$/.test(path)) continue;
    const text = readFileSync(join(runtime.root, path), 'utf8');
    writeFileSync(join(runtime.root, path), text.replace(/"bootId":"[^"]*"/, '"bootId":"another"'));
  }
  await runtime.answers();
  expect(await runtime.service.containerStatus(container)).toMatchObject({ reason: 'ContainerStatusUnknown' });
  expect(await runtime.service.podSandboxStatus(sandbox)).toMatchObject({ state: 'SANDBOX_NOTREADY' });
});

test('a record that cannot be read costs only its own pod', async () => {
  await using runtime = await TestRuntime.start();
  const bad = await runtime.run(exits(0));
  const good = await runtime.run(exits(0));
  await runtime.exited(bad.container);
  await runtime.exited(good.container);
  await runtime.killSupervisor();
  const paths = pathsBelow(runtime.root);
  const path = paths.find((name) => name.endsWith(join(bad.sandbox, 'sandbox.json')))!;
  writeFileSync(join(runtime.root, path), '{');
  await runtime.answers();
  expect((await runtime.service.listPodSandbox()).map(({ id }) => id)).toEqual([good.sandbox]);
  rmSync(join(runtime.root, 'pods'), { recursive: true });
});

test('folders of pods that a supervisor had no time to remove are removed, others stay', async () => {
  await using runtime = await TestRuntime.start();
  await runtime.killSupervisor();
  const pods = join(runtime.root, 'pods');
  mkdirSync(join(pods, 'gone', 'uid', 'runtime'), { recursive: true });
  mkdirSync(join(pods, 'shop', 'uid', 'volumes'), { recursive: true });
  await runtime.answers();
  expect(readdirSync(pods)).toEqual(['shop']);
  expect(readdirSync(join(pods, 'shop', 'uid'))).toEqual(['volumes']);
});

test('clients that come at once start one supervisor', async () => {
  await using runtime = await TestRuntime.start();
  await runtime.killSupervisor();
  const clients = await Promise.all(Array.from({ length: 4 }, () => runtime.connect()));
  expect(await Promise.all(clients.map((client) => client.version()))).toHaveLength(4);
  await until(() => runtime.supervisors().length === 1);
  expect(await Promise.all(clients.map((client) => client.version()))).toHaveLength(4);
  for (const client of clients) await client[Symbol.asyncDispose]();
});

test('without leave to start one, a missing supervisor is Unavailable', async () => {
  await using runtime = await TestRuntime.start();
  const options = { ...runtime.options, spawn: false, socket: join(runtime.root, 'other.sock') };
  await expect(connectRuntime(options)).rejects.toMatchObject({ code: 'Unavailable' });
});

test('a root whose sockets would have too long paths is refused with the reason', async () => {
  await using runtime = await TestRuntime.start();
  const root = join(runtime.root, 'x'.repeat(100));
  mkdirSync(root);
  const options = { ...runtime.options, root, socket: join(runtime.root, 's.sock'), logger: silentLogger };
  await expect(connectRuntime(options)).rejects.toMatchObject({
    code: 'Unavailable',
    message: expect.stringContaining('Unix allows 107') as string,
  });
});

describe('the socket', () => {
  async function send(runtime: TestRuntime, bytes: string | Buffer): Promise<string> {
    const socket = connect(runtime.options.socket);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    socket.on('error', () => undefined);
    socket.end(bytes);
    await once(socket, 'close');
    return received;
  }

  test('is closed to garbage, endless lines and other versions, and goes on for the others', async () => {
    await using runtime = await TestRuntime.start();
    expect(await send(runtime, 'GET / HTTP/1.1\r\n\r\n')).toBe('');
    expect(await send(runtime, '{"v":1}\n')).toBe('');
    expect(await send(runtime, Buffer.alloc(MAX_MESSAGE_BYTES + 2, 'x'))).toBe('');
    expect(JSON.parse(await send(runtime, '{"v":2,"id":1,"method":"version","params":[]}\n'))).toMatchObject({
      v: 1,
      id: 1,
      error: { code: 'FailedPrecondition' },
    });
    expect(JSON.parse(await send(runtime, '{"v":1,"id":1,"method":"none","params":[]}\n'))).toMatchObject({
      error: { code: 'InvalidArgument' },
    });
    expect(JSON.parse(await send(runtime, '{"v":1,"id":1,"method":"stopContainer","params":[5]}\n'))).toMatchObject({
      error: { code: 'InvalidArgument' },
    });
    const { container } = await runtime.run(prints('still here\n'));
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 0 });
  });

  test('is open to its user only', async () => {
    await using runtime = await TestRuntime.start();
    const mode = execFileSync('stat', ['-c', '%a', runtime.options.socket], { encoding: 'utf8' });
    expect(mode.trim()).toBe('600');
  });
});

function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runOrThrow } from '../test/support/command.ts';
import { EchoClient } from '../test/support/echo.ts';
import { buildGuest, type GuestName } from '../test/support/guests.ts';
import { freePort } from '../test/support/ports.ts';
import type { ContainerConfig, ContainerStatus } from './service.ts';
import { TestRuntime, until } from './test-runtime.ts';

/**
 * Guests that take all they get, all at once, in the classes that share more than a kernel or have another engine. How
 * fast their neighbours are meanwhile is what `npm run bench abuse` measures; the class `wasm` and evictions are in
 * test/e2e/abuse.test.ts.
 */

const TIMEOUT = { timeout: 300_000 };
const PATIENCE_MS = 120_000;
const MIB = 1024 * 1024;
const DISK_MIB = 8;
/** Of a neighbour, while all that do not end go on. */
const ECHOES = 200;
const LOG_LIMITS = { maxSize: MIB, maxFiles: 3 };

const NO_LIMITS = { cpuPeriod: 0, cpuQuota: 0, cpuShares: 0, memoryLimitInBytes: 0 };
const HALF_A_CORE = { ...NO_LIMITS, cpuPeriod: 100_000, cpuQuota: 50_000 };

const GUESTS = ['web-c', 'hog', 'spin', 'flood', 'threads-c'] as const satisfies readonly GuestName[];
type Guest = (typeof GUESTS)[number];

let runtime: TestRuntime;
const modules = new Map<Guest, string>();
beforeAll(async () => {
  for (const name of GUESTS) modules.set(name, await buildGuest(name));
  runtime = await TestRuntime.start();
}, TIMEOUT.timeout);
afterAll(() => runtime[Symbol.asyncDispose]());

/** Pods of one class, removed at the end. */
class Pods implements AsyncDisposable {
  readonly #handler: string;
  readonly #sandboxes: string[] = [];

  constructor(handler: string) {
    this.#handler = handler;
  }

  /** Starts a container in a pod of its own. */
  async start(guest: Guest, args: readonly string[], change: Partial<ContainerConfig> = {}): Promise<string> {
    const sandbox = await runtime.service.runPodSandbox(runtime.sandboxConfig(), this.#handler);
    this.#sandboxes.push(sandbox);
    const image = { userSpecifiedImage: guest, imageRef: 'sha256:0', module: modules.get(guest) ?? '' };
    const config = await runtime.containerConfig('(module)', { image, args: [guest, ...args], ...change });
    const container = await runtime.service.createContainer(sandbox, config);
    await runtime.service.startContainer(container);
    return container;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sandbox of this.#sandboxes) await runtime.service.removePodSandbox(sandbox);
  }
}

/** A file system of a few MiB, where the machine allows it; else a folder that is not full so soon. */
async function smallDisk(): Promise<AsyncDisposable & { readonly path: string; readonly isSmall: boolean }> {
  const path = join(runtime.root, '..', `disk-${Date.now()}`);
  mkdirSync(path);
  const isSmall = process.platform === 'linux' && process.getuid?.() === 0;
  if (isSmall) await runOrThrow('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'wasmlet-test', path]);
  return {
    path,
    isSmall,
    [Symbol.asyncDispose]: async () => {
      if (isSmall) await runOrThrow('umount', ['-l', path]);
    },
  };
}

/** Bytes of a container's log, over all rotated files. */
function logBytes({ logPath }: ContainerStatus): number {
  const folder = join(logPath, '..');
  if (!existsSync(folder)) return 0;
  // One that is rotated in this moment has another name already.
  return readdirSync(folder).reduce(
    (sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

const descriptorsOf = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Keeps asking a neighbour until it is disposed of. */
class Asking implements AsyncDisposable {
  answers = 0;
  readonly #client: EchoClient;
  readonly #done: Promise<void>;
  #isOver = false;

  constructor(client: EchoClient) {
    this.#client = client;
    this.#done = this.#ask();
    this.#done.catch(() => undefined);
  }

  async #ask(): Promise<void> {
    while (!this.#isOver) {
      await this.#client.echo();
      this.answers++;
    }
  }

  /** So many answers from now on. @throws Error when the neighbour does not answer */
  async more(count: number): Promise<void> {
    const wanted = this.answers + count;
    await Promise.race([this.#done, until(() => this.answers >= wanted, PATIENCE_MS)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }
}

describe.each(['wasm-shared', 'wasm-interpreter'])('guests of class %s that take all they can get', (handler) => {
  test('end or are held as they should be, while a neighbour answers each echo', TIMEOUT, async () => {
    const { service } = runtime;
    await using pods = new Pods(handler);
    const port = await freePort();
    const neighbour = await pods.start('web-c', ['echo', String(port)]);
    using client = await EchoClient.connect(port);
    await using asking = new Asking(client);
    await asking.more(1);
    const host = runtime.hostPid(neighbour);
    const descriptors = descriptorsOf(host);

    await using disk = await smallDisk();
    const folder = join(runtime.root, '..', `files-${handler}`);
    mkdirSync(folder);
    const limit = { ...HALF_A_CORE, memoryLimitInBytes: 64 * MIB };
    const grows = await pods.start('hog', ['memory', '4000'], { resources: limit });
    const spins = await pods.start('spin', [], { resources: HALF_A_CORE });
    const flood = ['100000000000', 'unbuffered'];
    const floods = await pods.start('flood', flood, { resources: HALF_A_CORE, logLimits: LOG_LIMITS });
    const fills = await pods.start('hog', ['disk', '/disk/f', String(2 * DISK_MIB)], {
      mounts: [{ containerPath: '/disk', hostPath: disk.path, readonly: false }],
    });
    const opens = await pods.start('hog', ['files', '/files', '10000'], {
      mounts: [{ containerPath: '/files', hostPath: folder, readonly: false }],
    });
    const all = [grows, spins, floods, fills, opens];
    if (handler === 'wasm-shared') expect(new Set(all.map((id) => runtime.hostPid(id)))).toEqual(new Set([host]));

    expect(await runtime.exited(grows)).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
    if (disk.isSmall) {
      expect(await runtime.exited(fills)).toMatchObject({ exitCode: 1 });
      expect(await runtime.output(fills)).toBe('hog: /disk/f: No space left on device\n');
    }
    await until(async () => /^\d+ files, then EMFILE\ntaken\n$/.test(await runtime.output(opens)), PATIENCE_MS);
    const flooded = await service.containerStatus(floods);
    await until(() => logBytes(flooded) > 2 * MIB, PATIENCE_MS);
    await asking.more(ECHOES);
    expect(logBytes(flooded)).toBeLessThan(4 * MIB);
    for (const id of [neighbour, spins, floods, opens]) {
      expect(await service.containerStatus(id)).toMatchObject({ state: 'CONTAINER_RUNNING' });
    }

    for (const id of [spins, floods, opens]) {
      await service.stopContainer(id, 0);
      expect(await runtime.exited(id)).toMatchObject({ exitCode: 137, reason: 'Error' });
    }
    await asking.more(ECHOES);
    expect(await service.containerStatus(neighbour)).toMatchObject({ state: 'CONTAINER_RUNNING', message: '' });
    expect(runtime.hostPid(neighbour)).toBe(host);
    // What the others had open is closed again.
    await until(() => descriptorsOf(host) <= descriptors, PATIENCE_MS);
  });
});

test.each(['wasm-shared', 'wasm-interpreter'])(
  'a guest of class %s that forks threads gets so many, in a host of its own',
  TIMEOUT,
  async (handler) => {
    await using pods = new Pods(handler);
    const port = await freePort();
    const neighbour = await pods.start('web-c', ['echo', String(port)]);
    using client = await EchoClient.connect(port);
    await using asking = new Asking(client);
    const forks = await pods.start('threads-c', ['forks'], { resources: HALF_A_CORE });
    await until(async () => (await runtime.output(forks)) === 'got 63\n', PATIENCE_MS);
    expect(runtime.hostPid(forks)).not.toBe(runtime.hostPid(neighbour));
    await asking.more(ECHOES);
    await runtime.service.stopContainer(forks, 0);
    expect(await runtime.exited(forks)).toMatchObject({ exitCode: 137, reason: 'Error' });
    await asking.more(1);
  },
);

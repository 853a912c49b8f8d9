import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { hasCode } from '../base/errors.ts';
import { identityOf, signalProcess } from '../base/process.ts';
import type { ProcessIdentity } from '../base/process.ts';
import { bundle } from '../build/bundle.ts';
import { SeededRandom } from '../test/support/random.ts';
import type { ContainerStatus } from './service.ts';
import { counts } from './test-guests.ts';
import { pathsBelow, testFolder } from './test-folder.ts';
import { TestRuntime, until } from './test-runtime.ts';

/** How often something is killed. The whole node, agent included, is killed in test/e2e/kills.test.ts. */
const KILLS = Number(process.env['WASMLET_TEST_KILLS'] ?? 12);
const { WASMLET_TEST_SEED: givenSeed } = process.env;
const random = new SeededRandom(givenSeed === undefined ? undefined : Number(givenSeed));

const WORKERS = 4;
const MAX_PAUSE_MS = 400;
const TIMEOUT_MS = 120_000 + KILLS * 30_000;
/** Of anything that takes a second on a machine that does nothing else. */
const PATIENCE_MS = 120_000;
const KILLED_REASONS = ['Error', 'ContainerStatusUnknown'];

const keyOf = ({ pid, startTime }: Pick<ProcessIdentity, 'pid' | 'startTime'>): string => `${pid}@${startTime}`;

/** Pods that print numbers and end, again and again, by a client that goes on when its supervisor is killed. */
class Load {
  readonly faults: string[] = [];
  ended = 0;
  readonly #runtime: TestRuntime;
  readonly #killedHosts: ReadonlySet<string>;
  #pods = 0;

  constructor(runtime: TestRuntime, killedHosts: ReadonlySet<string>) {
    this.#runtime = runtime;
    this.#killedHosts = killedHosts;
  }

  async run(signal: AbortSignal): Promise<void> {
    const work = async () => {
      while (!signal.aborted) await this.#pod();
    };
    await Promise.all(Array.from({ length: WORKERS }, work));
  }

  async #pod(): Promise<void> {
    const { service } = this.#runtime;
    const lines = random.between(1, 200);
    const config = this.#runtime.sandboxConfig(`pod-${++this.#pods}`);
    const handler = random.pick(['wasm', 'wasm-shared']);
    const sandbox = await insist(() => service.runPodSandbox(config, handler));
    const container = await this.#runtime.containerConfig(counts(lines, random.pick([1, 5]) * 1_000_000));
    const id = await insist(() => service.createContainer(sandbox, container));
    const status = await this.#runToEnd(id);
    this.#judge(`${config.metadata.name} (${handler})`, status, lines);
    this.ended++;
    await insist(() => service.removePodSandbox(sandbox));
  }

  /** As a kubelet: what is created still is to be started. */
  async #runToEnd(id: string): Promise<ContainerStatus> {
    const { service } = this.#runtime;
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const status = await insist(() => service.containerStatus(id));
      if (status.state === 'CONTAINER_EXITED') return status;
      // One whose host was killed meanwhile fails to start, and has exited then.
      if (status.state === 'CONTAINER_CREATED') await service.startContainer(id).catch(() => undefined);
      if (Date.now() > deadline) throw new Error(`container ${id} does not end: ${JSON.stringify(status)}`);
      await delay(20);
    }
  }

  #judge(name: string, status: ContainerStatus, lines: number): void {
    const { exitCode, reason, message } = status;
    // From the file: no supervisor is needed for it.
    const log = existsSync(status.logPath) ? readFileSync(status.logPath, 'utf8') : '';
    const printed = log
      .replace(/^\S+ stdout F /gm, '')
      .split('\n')
      .slice(0, -1);
    const inOrder = printed.every((line, index) => line === String(index).padStart(8, '0'));
    const wasKilled = exitCode === 137 && KILLED_REASONS.includes(reason) && this.#hostWasKilled(status.id);
    const ranToEnd = exitCode === 0 && reason === 'Completed' && printed.length === lines;
    if (inOrder && (wasKilled || ranToEnd)) return;
    this.faults.push(`${name}: ${exitCode} ${reason} ${message}; ${printed.length} lines of ${lines}, ${inOrder}`);
  }

  #hostWasKilled(id: string): boolean {
    const pods = join(this.#runtime.root, 'pods');
    const path = pathsBelow(pods).find((name) => name.endsWith(join(id, 'state.json')));
    if (path === undefined) return false;
    const record = JSON.parse(readFileSync(join(pods, path), 'utf8')) as { body: { host: ProcessIdentity } };
    return this.#killedHosts.has(keyOf(record.body.host));
  }
}

/** Asks again when the supervisor is killed before it answers. */
async function insist<T>(call: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!hasCode(error, 'Unavailable') || Date.now() > deadline) throw error;
    }
    await delay(20);
  }
}

/** Kills the supervisor, a host, or both at once. */
async function strike(runtime: TestRuntime, killedHosts: Set<string>): Promise<void> {
  const choice = random.pick(['supervisor', 'host', 'both', 'two hosts']);
  const victims: ProcessIdentity[] = [];
  const hosts = choice === 'supervisor' ? 0 : choice === 'two hosts' ? 2 : 1;
  const pids = runtime.hosts();
  for (let count = 0; count < hosts && pids.length > 0; count++) {
    const [pid] = pids.splice(random.between(0, pids.length - 1), 1);
    try {
      if (pid !== undefined) victims.push(identityOf(pid));
    } catch {
      // It has ended by itself.
    }
  }
  const supervisor = choice === 'supervisor' || choice === 'both' ? identityOf(await runtime.supervisor()) : undefined;
  for (const host of victims) if (signalProcess(host, 'SIGKILL')) killedHosts.add(keyOf(host));
  if (supervisor) signalProcess(supervisor, 'SIGKILL');
}

test(
  `kill -9 of supervisor and hosts under load, ${KILLS} times: no line lost or doubled, no wrong exit, nothing left (WASMLET_TEST_SEED=${random.seed})`,
  { timeout: TIMEOUT_MS },
  async () => {
    using folder = testFolder();
    const bundled = await bundle(join(folder.path, 'dist'));
    await using runtime = await TestRuntime.start(bundled.find((file) => file.endsWith('supervisor.mjs')));
    const killedHosts = new Set<string>();
    const load = new Load(runtime, killedHosts);
    const stopped = new AbortController();
    const running = load.run(stopped.signal);
    try {
      for (let kills = 0; kills < KILLS; kills++) {
        const { ended } = load;
        await Promise.race([running, until(() => load.ended > ended, PATIENCE_MS)]);
        await delay(random.between(0, MAX_PAUSE_MS));
        await strike(runtime, killedHosts);
      }
    } finally {
      stopped.abort();
      await running;
    }
    const log = readFileSync(join(runtime.root, 'runtime', 'supervisor.log'), 'utf8');
    expect(load.faults, `the supervisors' log:\n${log}`).toEqual([]);
    expect(log.split('\n').filter((line) => line.includes('"level":"error"'))).toEqual([]);
    await until(() => runtime.supervisors().length === 1);
    // A shared host stays for a while after its last container; one waits.
    await until(() => runtime.hosts().length <= 1, PATIENCE_MS);
    const files = (): string[] => pathsBelow(runtime.root);
    // The supervisor's own, and that of the host that waits.
    await until(() => files().filter((path) => path.endsWith('.sock')).length <= 2, PATIENCE_MS);
    // What a writer had no time to finish in the cache of rewritten modules goes with the rest of it, after a day.
    expect(files().filter((path) => /^pods\/|^run\/.*\.tmp$/.test(path))).toEqual([]);
  },
);

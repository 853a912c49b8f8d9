import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import type { ContainerStatus, Pod } from '../../agent/kube/types.ts';
import type { SeededRandom } from '../support/random.ts';
import type { Killer } from './killer.ts';
import { containerStatus, isEnded, isReady, type Namespace, type Scene } from './scene.ts';

/** Runtime classes. Of those who share a host some are in the node's network, and some share one of theirs. */
const CLASSES = ['wasm', 'wasm-shared'] as const;
type RuntimeClass = (typeof CLASSES)[number];

/** Pods that never end by themselves. */
const STEADY: readonly RuntimeClass[] = ['wasm', 'wasm', 'wasm-shared', 'wasm-shared', 'wasm-shared'];
/** Pods that end, at a time; and pods that are deleted while they start or run, at a time. */
const ENDING = 3;
const DELETED = 2;
/** How long anything may take with a node that dies all the time, on a machine that does other things too. */
const WAIT_MS = 240_000;
const KILLED_REASONS = ['Error', 'ContainerStatusUnknown'];

/** What a pod that ends is to do. */
interface Plan {
  readonly lines: number;
  readonly exitCode: number;
}

type Terminated = NonNullable<NonNullable<ContainerStatus['state']>['terminated']>;

/**
 * Pods that print numbers on a node whose processes are killed, in hosts of their own and in shared ones: some that run
 * on, some that end, some that are deleted.
 * What they should not show is in `faults`.
 */
export class KillLoad {
  readonly faults = new Set<string>();
  /** Pods that have ended and were looked into. */
  ended = 0;
  /** Pods that were deleted before they ended. */
  deleted = 0;
  readonly #scene: Scene;
  readonly #namespace: Namespace;
  readonly #killer: Killer;
  readonly #random: SeededRandom;
  readonly #plans = new Map<string, Plan>();
  #pods = 0;
  #hasEnded = false;

  constructor(scene: Scene, namespace: Namespace, killer: Killer, random: SeededRandom) {
    this.#scene = scene;
    this.#namespace = namespace;
    this.#killer = killer;
    this.#random = random;
  }

  /** Starts the pods that run on, and resolves when they are ready. */
  async start(): Promise<void> {
    const image = await this.#scene.image('ticker', 'plain');
    const readinessProbe = { exec: { command: ['/app.wasm', '0', '1'] }, periodSeconds: 2, timeoutSeconds: 30 };
    for (const [index, runtimeClass] of STEADY.entries()) {
      // The first one of each class.
      const container = STEADY.indexOf(runtimeClass) === index ? { readinessProbe } : {};
      const args = ['10', '1000000000'];
      await this.#create({ name: `steady-${index}`, image, args, restartPolicy: 'Always', container }, runtimeClass);
    }
    for (const index of STEADY.keys()) await this.#namespace.waitForPod(`steady-${index}`, isReady);
  }

  /** Waits until a pod has ended that ran, in part at least, after now. @throws Error when the load has ended */
  async progress(): Promise<void> {
    const before = this.ended;
    while (this.ended <= before + 1) {
      if (this.#hasEnded) throw new Error('no pods are made any more');
      await delay(50);
    }
  }

  /** Makes pods and looks at all until the signal, and until those that were made have ended then. */
  async run(signal: AbortSignal): Promise<void> {
    const watched = new AbortController();
    const watch = this.#watch(watched.signal);
    const workers = [
      ...Array.from({ length: ENDING }, () => this.#repeat(signal, () => this.#endingPod())),
      ...Array.from({ length: DELETED }, () => this.#repeat(signal, () => this.#deletedPod())),
    ];
    try {
      await Promise.all(workers);
    } finally {
      this.#hasEnded = true;
      watched.abort();
      await watch;
    }
  }

  async #repeat(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    while (!signal.aborted) await work();
  }

  async #create(options: Parameters<Namespace['pod']>[0], runtimeClassName: RuntimeClass): Promise<void> {
    const hostNetwork = runtimeClassName === 'wasm-shared' && this.#random.pick([true, false]);
    const spec = { runtimeClassName, hostNetwork, terminationGracePeriodSeconds: 1 };
    const pod = this.#namespace.pod({ ...options, spec });
    const { status, body } = await this.#scene.api.request('POST', this.#path, pod);
    if (status !== 201) throw new Error(`pod ${options.name}: HTTP ${status} ${JSON.stringify(body)}`);
  }

  get #path(): string {
    return `/api/v1/namespaces/${this.#namespace.name}/pods`;
  }

  async #endingPod(): Promise<void> {
    const name = `ending-${++this.#pods}`;
    const plan = { lines: this.#random.between(1, 300), exitCode: this.#random.pick([0, 0, 1, 7]) };
    this.#plans.set(name, plan);
    const args = [String(this.#random.between(1, 10)), String(plan.lines), String(plan.exitCode)];
    await this.#create({ name, image: await this.#scene.image('ticker'), args }, this.#random.pick(CLASSES));
    const pod = await this.#namespace.waitForPod(name, isEnded, WAIT_MS);
    await this.#inspect(pod, plan);
    this.ended++;
    await this.#remove(name);
  }

  async #deletedPod(): Promise<void> {
    const name = `deleted-${++this.#pods}`;
    const image = await this.#scene.image('ticker');
    await this.#create({ name, image, args: ['10', '100000'] }, this.#random.pick(CLASSES));
    await delay(this.#random.between(0, 2000));
    await this.#remove(name);
    this.deleted++;
  }

  /** Deletes a pod and waits until the API has forgotten it. */
  async #remove(name: string): Promise<void> {
    const path = `${this.#path}/${name}`;
    await this.#scene.api.request('DELETE', path);
    const deadline = Date.now() + WAIT_MS;
    while ((await this.#scene.api.request('GET', path)).status !== 404) {
      if (Date.now() > deadline) throw new Error(`pod ${name} was deleted and is there still`);
      await delay(100);
    }
  }

  /** Deletes the pods that run on, after a look at each. */
  async finish(): Promise<void> {
    for (const index of STEADY.keys()) {
      const name = `steady-${index}`;
      const pod = await this.#namespace.waitForPod(name, (seen) => !isEnded(seen));
      await this.#inspectSteady(pod);
      await this.#remove(name);
    }
  }

  async #inspect(pod: Pod, plan: Plan): Promise<void> {
    const { name = '' } = pod.metadata ?? {};
    const { restartCount = 0, state } = containerStatus(pod) ?? {};
    const terminated = state?.terminated;
    if (!terminated) {
      this.#fault(`${name}: ended without a terminated container: ${JSON.stringify(pod.status)}`);
      return;
    }
    const phase = terminated.exitCode === 0 ? 'Succeeded' : 'Failed';
    if (pod.status?.phase !== phase) this.#fault(`${name}: ${pod.status?.phase}, but ${JSON.stringify(terminated)}`);
    const { length } = await this.#numbers(pod, restartCount);
    if (length !== plan.lines && !(await this.#wasKilled(terminated))) {
      this.#fault(`${name}: ${length} lines of ${plan.lines}, ${JSON.stringify(terminated)}`);
    }
    for (let attempt = 0; attempt < restartCount; attempt++) {
      const earlier = await this.#numbers(pod, attempt);
      if (earlier.length > 0) this.#fault(`${name}: ran twice, though its policy is Never`);
    }
  }

  async #inspectSteady(pod: Pod): Promise<void> {
    const { restartCount = 0 } = containerStatus(pod) ?? {};
    for (let attempt = 0; attempt <= restartCount; attempt++) await this.#numbers(pod, attempt);
    const numbers = await this.#numbers(pod, restartCount);
    if (containerStatus(pod)?.state?.running && numbers.length === 0)
      this.#fault(`${pod.metadata?.name}: prints nothing`);
  }

  /** What one attempt of a pod's container has printed, over all rotated files; a fault unless it counts from 1 on. */
  async #numbers(pod: Pod, attempt: number): Promise<number[]> {
    const { namespace, name = '', uid } = pod.metadata ?? {};
    const folder = join(this.#scene.agent.podLogsDir, `${namespace}_${name}_${uid}`, name);
    const text = await readRotated(folder, `${attempt}.log`);
    const lines = text.split('\n').slice(0, -1);
    const numbers = lines.map((line) => Number(/^\S+ stdout F (\d+)$/.exec(line)?.[1] ?? NaN));
    const wrong = numbers.findIndex((number, index) => number !== index + 1);
    if (wrong !== -1) {
      const around = lines.slice(Math.max(0, wrong - 1), wrong + 2).join(' | ');
      this.#fault(`${name}: line ${wrong + 1} of attempt ${attempt} is wrong: ${around}`);
    }
    if (!text.endsWith('\n') && text !== '') this.#fault(`${name}: the log of attempt ${attempt} ends within a line`);
    return numbers;
  }

  /** Holds every state that is ever shown against what was done. */
  async #watch(signal: AbortSignal): Promise<void> {
    const latest = new Map<string, { restarts: number; phase: string }>();
    try {
      for await (const { type, object } of this.#scene.api.watch<Pod>(this.#path, {}, signal)) {
        if (type === 'DELETED' || object.metadata?.deletionTimestamp !== undefined) continue;
        await this.#look(object, latest);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #look(pod: Pod, latest: Map<string, { restarts: number; phase: string }>): Promise<void> {
    const { name = '', uid = '' } = pod.metadata ?? {};
    const { restartCount = 0, state, lastState } = containerStatus(pod) ?? {};
    const phase = pod.status?.phase ?? '';
    const before = latest.get(uid) ?? { restarts: 0, phase: '' };
    latest.set(uid, { restarts: restartCount, phase });
    if (restartCount < before.restarts) this.#fault(`${name}: restarts went back to ${restartCount}`);
    if (rank(phase) < rank(before.phase)) this.#fault(`${name}: phase went from ${before.phase} to ${phase}`);
    for (const terminated of [state?.terminated, lastState?.terminated]) {
      if (terminated) await this.#judge(name, terminated);
    }
  }

  async #judge(name: string, terminated: Terminated): Promise<void> {
    const { exitCode, reason = '' } = terminated;
    const plan = this.#plans.get(name);
    const byItself =
      plan !== undefined && exitCode === plan.exitCode && reason === (exitCode === 0 ? 'Completed' : 'Error');
    if (byItself) return;
    if (exitCode === 137 && KILLED_REASONS.includes(reason) && (await this.#wasKilled(terminated))) return;
    this.#fault(`${name}: ${JSON.stringify(terminated)}, but nobody killed it; its plan: ${JSON.stringify(plan)}`);
  }

  async #wasKilled({ containerID = '' }: Terminated): Promise<boolean> {
    return this.#killer.hasKilled(containerID.replace(/^.*:\/\//, ''));
  }

  #fault(what: string): void {
    this.faults.add(what);
  }
}

const rank = (phase: string): number => ['Pending', 'Running', 'Succeeded', 'Failed'].indexOf(phase);

/** A log with its rotated parts, oldest first. */
async function readRotated(folder: string, name: string): Promise<string> {
  const names = await readdir(folder).catch(() => []);
  const rotated = names.filter((each) => each.startsWith(`${name}.`) && !each.endsWith('.tmp')).toSorted();
  const parts: string[] = [];
  for (const part of [...rotated, ...names.filter((each) => each === name)]) {
    // A part that is compressed is there twice for a moment.
    if (rotated.includes(`${part}.gz`)) continue;
    const content = await readFile(join(folder, part));
    parts.push((part.endsWith('.gz') ? gunzipSync(content) : content).toString());
  }
  return parts.join('');
}

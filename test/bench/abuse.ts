import { setTimeout as delay } from 'node:timers/promises';
import type { Pod } from '../../agent/kube/types.ts';
import { EchoClient } from '../support/echo.ts';
import type { GuestName } from '../support/guests.ts';
import { freePort } from '../support/ports.ts';
import type { Benchmark } from './benchmark.ts';
import type { Figure, FigureName } from './figures.ts';
import type { PodWatch } from './pod-watch.ts';
import { isRunning, type Report, type Stage } from './stage.ts';
import { percentile } from './statistics.ts';

/** Of echoes alone, and of as many beside each abuser; the environment may ask for less, to try something. */
const MEASURED_MS = Number(process.env['WASMLET_BENCH_ABUSE_SECONDS'] ?? 30) * 1000;
/** By turns, so that what else the machine does meets both. */
const ROUNDS = 3;
/** Until an abuser does what it does. */
const SETTLE_MS = 2000;
/** Between two messages: who asks must not be the load. */
const PAUSE_MS = 2;

/** A guest that takes all it gets, within limits as an administrator sets them. */
interface Abuser {
  readonly name: 'memory' | 'cpu' | 'stdout' | 'disk' | 'files' | 'threads';
  readonly guest: GuestName;
  readonly args?: readonly string[];
  readonly limits: Readonly<Record<string, string>>;
}

const STORAGE = { 'ephemeral-storage': '500Mi' };
const FLOOD = ['100000000000', 'unbuffered'];
const ABUSERS: readonly Abuser[] = [
  { name: 'memory', guest: 'hog', args: ['memory', '4000'], limits: { memory: '128Mi' } },
  { name: 'cpu', guest: 'spin', limits: {} },
  { name: 'stdout', guest: 'flood', args: FLOOD, limits: STORAGE },
  { name: 'disk', guest: 'hog', args: ['disk', '/f', '4000'], limits: STORAGE },
  { name: 'files', guest: 'hog', args: ['files', '/', '10000'], limits: {} },
  { name: 'threads', guest: 'threads-c', args: ['forks'], limits: {} },
];

/** The neighbour asks for more CPU than the abuser, and both may have all of one core. */
const NEIGHBOUR_REQUESTS = { cpu: '500m' };
const ABUSER_REQUESTS = { cpu: '100m' };
const CPU_LIMIT = { cpu: '1' };

interface AbuseOf {
  readonly name: string;
  readonly runtimeClassName: string;
  readonly figures: Readonly<Record<Abuser['name'], FigureName>>;
}

/** How long an echo takes in a pod beside one that takes all it gets, against how long it takes beside none. */
const abuseOf = ({ name, runtimeClassName, figures }: AbuseOf): Benchmark => ({
  name,
  figures: Object.values(figures),
  async run(open, report) {
    const stage = await open();
    const port = await freePort();
    await using pods = stage.watchPods();
    const image = await stage.presentImage('web-c', ['echo', String(port)]);
    const resources = { requests: NEIGHBOUR_REQUESTS };
    const neighbour = { name: 'echo', image, args: ['echo', String(port)], resources, runtimeClassName };
    await stage.create(podOf(stage, neighbour));
    await pods.until('echo', isRunning);
    const measured: Figure[] = [];
    using client = await EchoClient.connect(port);
    for (const abuser of ABUSERS) {
      const value = await ratio({ stage, pods, client, report }, abuser, runtimeClassName);
      measured.push({ name: figures[abuser.name], value });
    }
    await stage.delete('echo', pods);
    return measured;
  },
});

export const abuse = abuseOf({
  name: 'abuse',
  runtimeClassName: 'wasm',
  figures: {
    memory: 'abuse.memory',
    cpu: 'abuse.cpu',
    stdout: 'abuse.stdout',
    disk: 'abuse.disk',
    files: 'abuse.files',
    threads: 'abuse.threads',
  },
});

export const abuseShared = abuseOf({
  name: 'abuseShared',
  runtimeClassName: 'wasm-shared',
  figures: {
    memory: 'abuse.shared.memory',
    cpu: 'abuse.shared.cpu',
    stdout: 'abuse.shared.stdout',
    disk: 'abuse.shared.disk',
    files: 'abuse.shared.files',
    threads: 'abuse.shared.threads',
  },
});

export const abuseInterpreter = abuseOf({
  name: 'abuseInterpreter',
  runtimeClassName: 'wasm-interpreter',
  figures: {
    memory: 'abuse.interpreter.memory',
    cpu: 'abuse.interpreter.cpu',
    stdout: 'abuse.interpreter.stdout',
    disk: 'abuse.interpreter.disk',
    files: 'abuse.interpreter.files',
    threads: 'abuse.interpreter.threads',
  },
});

interface Parts {
  readonly stage: Stage;
  readonly pods: PodWatch;
  readonly client: EchoClient;
  readonly report: Report;
}

/** p99 beside the abuser by p99 alone, each over all rounds. */
async function ratio(
  { stage, pods, client, report }: Parts,
  abuser: Abuser,
  runtimeClassName: string,
): Promise<number> {
  const image = await stage.presentImage(abuser.guest, abuser.args);
  const [alone, beside]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    alone.push(...(await echoTimes(client)));
    const ended = new AbortController();
    const name = `abuse-${abuser.name}-${round}`;
    const abusing = keepAbusing(stage, pods, { name, abuser, image, runtimeClassName, signal: ended.signal });
    try {
      await delay(SETTLE_MS);
      beside.push(...(await echoTimes(client)));
    } finally {
      ended.abort();
      await abusing;
    }
  }
  const [p99Alone, p99Beside] = [percentile(alone, 0.99), percentile(beside, 0.99)];
  const shown = [p99Alone, p99Beside].map((time) => `${time.toFixed(2)} ms`).join(' alone, ');
  report(`${runtimeClassName}, ${abuser.name}: p99 ${shown} beside it, of ${alone.length} and ${beside.length} echoes`);
  return p99Beside / p99Alone;
}

interface AbusePod {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly resources: object;
  readonly runtimeClassName: string;
}

/** As users have it: what ends is started anew, after a while. */
function podOf(stage: Stage, { name, image, args, resources, runtimeClassName }: AbusePod): Pod {
  const containers = [{ name: 'app', image, imagePullPolicy: 'IfNotPresent', args: [...args], resources }];
  return stage.pod({ name, image, spec: { containers, runtimeClassName, restartPolicy: 'Always' } });
}

/** Milliseconds that each message took. */
async function echoTimes(client: EchoClient): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + MEASURED_MS / ROUNDS;
  while (performance.now() < end) {
    const begun = performance.now();
    await client.echo();
    times.push(performance.now() - begun);
    await delay(PAUSE_MS);
  }
  return times;
}

interface Abuse {
  readonly name: string;
  readonly abuser: Abuser;
  readonly image: string;
  readonly runtimeClassName: string;
  readonly signal: AbortSignal;
}

/** One pod of the kind at a time, until the signal: the next one where one was evicted. */
async function keepAbusing(
  stage: Stage,
  pods: PodWatch,
  { name: prefix, abuser, image, runtimeClassName, signal }: Abuse,
): Promise<void> {
  const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  const { args = [], limits } = abuser;
  const resources = { requests: ABUSER_REQUESTS, limits: { ...CPU_LIMIT, ...limits } };
  for (let count = 0; !signal.aborted; count++) {
    const name = `${prefix}-${count}`;
    await stage.create(podOf(stage, { name, image, args, resources, runtimeClassName }));
    const ended = pods.until(name, ({ status }) => status?.phase === 'Failed' || status?.phase === 'Succeeded');
    // One that does not end is looked after here; its time-out is nobody's concern.
    await Promise.race([ended.catch(() => undefined), aborted]);
    await stage.delete(name, pods);
  }
}

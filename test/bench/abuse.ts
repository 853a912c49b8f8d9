import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pod } from '../../agent/kube/types.ts';
import type { GuestName } from '../support/guests.ts';
import { freePort } from '../support/ports.ts';
import type { Benchmark } from './benchmark.ts';
import type { FigureName } from './figures.ts';
import type { PodWatch } from './pod-watch.ts';
import { isRunning, type Stage } from './stage.ts';
import { percentile } from './statistics.ts';

const MEASURED_MS = 30_000;
/** Until an abuser does what it does. */
const SETTLE_MS = 3000;
const MESSAGE = Buffer.alloc(1024, 'x');
/** Between two messages: who asks must not be the load. */
const PAUSE_MS = 2;
const CONNECT_ATTEMPTS = 100;
const RETRY_MS = 50;

/** A guest that takes all it gets, within limits as an administrator sets them. */
interface Abuser {
  readonly figure: FigureName;
  readonly guest: GuestName;
  readonly args?: readonly string[];
  readonly limits: Readonly<Record<string, string>>;
}

const ABUSERS: readonly Abuser[] = [
  { figure: 'abuse.memory', guest: 'hog', args: ['memory', '4000'], limits: { cpu: '1', memory: '128Mi' } },
  { figure: 'abuse.cpu', guest: 'spin', limits: { cpu: '1' } },
  {
    figure: 'abuse.stdout',
    guest: 'flood',
    args: ['100000000000', 'unbuffered'],
    limits: { cpu: '1', 'ephemeral-storage': '500Mi' },
  },
  {
    figure: 'abuse.disk',
    guest: 'hog',
    args: ['disk', '/f', '4000'],
    limits: { cpu: '1', 'ephemeral-storage': '500Mi' },
  },
  { figure: 'abuse.files', guest: 'hog', args: ['files', '/', '10000'], limits: { cpu: '1' } },
];

/** How long an echo takes in a pod beside one that takes all it gets, against how long it takes beside none. */
export const abuse: Benchmark = {
  name: 'abuse',
  figures: ABUSERS.map(({ figure }) => figure),
  async run(open, report) {
    const stage = await open();
    const port = await freePort();
    await using pods = stage.watchPods();
    const image = await stage.presentImage('web-c', ['echo', String(port)]);
    const requests = { cpu: '500m' };
    await stage.create(podOf(stage, { name: 'echo', image, args: ['echo', String(port)], resources: { requests } }));
    await pods.until('echo', isRunning);
    const socket = await dial(port);
    const figures = [];
    try {
      for (const abuser of ABUSERS) {
        const presentImage = await stage.presentImage(abuser.guest);
        const quiet = await p99(socket);
        const ended = new AbortController();
        const abusing = keepAbusing(stage, pods, { abuser, image: presentImage, signal: ended.signal });
        try {
          await delay(SETTLE_MS);
          const beside = await p99(socket);
          report(`${abuser.figure}: p99 ${quiet.toFixed(2)} ms alone, ${beside.toFixed(2)} ms beside it`);
          figures.push({ name: abuser.figure, value: beside / quiet });
        } finally {
          ended.abort();
          await abusing;
        }
      }
    } finally {
      socket.destroy();
    }
    await stage.delete('echo', pods);
    return figures;
  },
};

interface AbusePod {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly resources: object;
}

function podOf(stage: Stage, { name, image, args, resources }: AbusePod): Pod {
  const containers = [{ name: 'app', image, imagePullPolicy: 'IfNotPresent', args: [...args], resources }];
  return stage.pod({ name, image, spec: { containers } });
}

/** The guest may say that it runs a moment before it listens. */
async function dial(port: number): Promise<Socket> {
  for (let attempt = 1; ; attempt++) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      socket.destroy();
      if (attempt === CONNECT_ATTEMPTS) throw error;
    }
    await delay(RETRY_MS);
  }
}

/** Milliseconds within which 99 of 100 messages are back. */
async function p99(socket: Socket): Promise<number> {
  const times: number[] = [];
  const end = performance.now() + MEASURED_MS;
  while (performance.now() < end) {
    const begun = performance.now();
    await echo(socket);
    times.push(performance.now() - begun);
    await delay(PAUSE_MS);
  }
  return percentile(times, 0.99);
}

function echo(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let missing = MESSAGE.length;
    const take = (chunk: Buffer) => {
      missing -= chunk.length;
      if (missing === 0) finish();
    };
    const fail = () => finish(new Error('the connection was closed'));
    const finish = (error?: Error) => {
      socket.off('data', take).off('close', fail);
      if (error) reject(error);
      else resolve();
    };
    socket.on('data', take).once('close', fail);
    socket.write(MESSAGE);
  });
}

interface Abuse {
  readonly abuser: Abuser;
  readonly image: string;
  readonly signal: AbortSignal;
}

/** One pod of the kind at a time, until the signal: the next one where one has ended or was evicted. */
async function keepAbusing(stage: Stage, pods: PodWatch, { abuser, image, signal }: Abuse): Promise<void> {
  const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  const kind = abuser.figure.replace(/^.*\./, '');
  for (let count = 0; !signal.aborted; count++) {
    const name = `abuse-${kind}-${count}`;
    const { args = [], limits } = abuser;
    await stage.create(podOf(stage, { name, image, args, resources: { limits } }));
    const ended = pods.until(name, ({ status }) => status?.phase === 'Failed' || status?.phase === 'Succeeded');
    // One that does not end is looked after here; its time-out is nobody's concern.
    await Promise.race([ended.catch(() => undefined), aborted]);
    await stage.delete(name, pods);
  }
}

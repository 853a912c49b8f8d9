import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Pod } from '../../agent/kube/types.ts';
import { MAX_DESCRIPTORS } from '../../wasi/core/descriptor-table.ts';
import { freePort } from '../support/ports.ts';
import { PATIENCE } from '../support/patience.ts';
import { containerStatus, describeScene, isEnded, isReady, type Namespace, type Scene } from './scene.ts';

const LOG_LIMITS = { containerLogMaxSize: '1Mi', containerLogMaxFiles: 3 };
const MEBIBYTE = 1024 * 1024;
/** 0, 1, 2, and the folder '/'. */
const OPEN_AT_FIRST = 4;
/** How many files a guest of a class can open, at least and at most. */
const FILES = {
  wasm: [MAX_DESCRIPTORS - OPEN_AT_FIRST, MAX_DESCRIPTORS - OPEN_AT_FIRST],
} as const;
const TIMEOUT_MS = 240_000;

/** Bytes of a pod's logs on disk. */
async function logBytes(scene: Scene, { metadata }: Pod): Promise<number> {
  const folder = join(scene.agent.podLogsDir, `${metadata?.namespace}_${metadata?.name}_${metadata?.uid}`);
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => undefined)));
  return sizes.reduce((sum, entry) => sum + (entry?.isFile() === true ? entry.size : 0), 0);
}

/** A pod that takes all it gets. */
interface Abuser {
  readonly name: string;
  readonly guest: 'hog' | 'spin' | 'flood';
  readonly args?: readonly string[];
  readonly limits: Readonly<Record<string, string>>;
}

const ABUSERS = [
  { name: 'grows', guest: 'hog', args: ['memory', '4000'], limits: { memory: '64Mi' } },
  { name: 'spins', guest: 'spin', limits: { cpu: '500m' } },
  { name: 'floods', guest: 'flood', args: ['100000000000', 'unbuffered'], limits: { cpu: '500m' } },
  { name: 'fills', guest: 'hog', args: ['disk', '/f', '2000'], limits: { 'ephemeral-storage': '50Mi', cpu: '500m' } },
  { name: 'opens', guest: 'hog', args: ['files', '/tmp', '10000'], limits: {} },
] as const satisfies readonly Abuser[];

type RuntimeClass = keyof typeof FILES;

async function startAbuser(
  scene: Scene,
  namespace: Namespace,
  abuser: Abuser,
  runtimeClassName: RuntimeClass,
): Promise<void> {
  const { name, guest, limits, ...more } = abuser;
  const image = await scene.image(guest);
  const emptyDir = {
    container: { resources: { limits }, volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }] },
    spec: { runtimeClassName, terminationGracePeriodSeconds: 30, volumes: [{ name: 'tmp', emptyDir: {} }] },
  };
  await namespace.apply(namespace.pod({ name, image, ...emptyDir, ...(more.args ? { args: more.args } : {}) }));
}

describeScene(
  'guests that take all they can get, all at once',
  (scene) => {
    test.for(['wasm'] as const)(
      'each of class %s ends or is held as it should be, and their neighbours go on as if alone',
      { timeout: TIMEOUT_MS },
      async (runtimeClassName) => {
        await using namespace = await scene().namespace();
        const [ticker, web] = [await scene().image('ticker'), await scene().image('web-c')];
        const requests = { resources: { requests: { cpu: '200m' } } };
        const spec = { runtimeClassName };
        const steady = { restartPolicy: 'Always', container: requests, spec } as const;
        await namespace.apply(namespace.pod({ name: 'ticks', image: ticker, args: ['20', '1000000'], ...steady }));
        const port = await freePort();
        const readinessProbe = { httpGet: { port }, periodSeconds: 1, failureThreshold: 5 };
        const container = { ...requests, readinessProbe };
        await namespace.apply(
          namespace.pod({ name: 'serves', image: web, args: ['serve', String(port)], container, spec }),
        );
        const before = await Promise.all(['ticks', 'serves'].map((name) => namespace.waitForPod(name, isReady)));

        for (const abuser of ABUSERS) await startAbuser(scene(), namespace, abuser, runtimeClassName);

        const grows = await namespace.waitForPod('grows', isEnded);
        expect(containerStatus(grows)?.state?.terminated).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
        const fills = await namespace.waitForPod('fills', isEnded);
        expect(fills.status).toMatchObject({ phase: 'Failed', reason: 'Evicted' });
        const opened = /^(\d+) files, then EMFILE\ntaken\n$/;
        await expect.poll(() => namespace.kubectl('logs', 'opens'), PATIENCE).toMatch(opened);
        const files = Number(opened.exec(await namespace.kubectl('logs', 'opens'))?.[1]);
        const [least, most] = FILES[runtimeClassName];
        expect(files).toBeGreaterThanOrEqual(least);
        expect(files).toBeLessThanOrEqual(most);

        // Of the flood only so much is kept, however long it lasts.
        const floods = await namespace.waitForPod('floods', isReady);
        await expect.poll(() => logBytes(scene(), floods), PATIENCE).toBeGreaterThan(2 * MEBIBYTE);
        expect(await logBytes(scene(), floods)).toBeLessThan(4 * MEBIBYTE);
        expect((await namespace.kubectl('logs', 'floods', '--tail=1')).length).toBeGreaterThan(90);

        // Those that are held are ended as any other, long before their grace period is over.
        await namespace.kubectl('delete', 'pod', 'spins', 'floods', 'opens', '--timeout=20s');

        for (const pod of before) {
          const after = await namespace.getPod(pod.metadata?.name ?? '');
          expect(containerStatus(after)).toMatchObject({ restartCount: 0, ready: true });
          expect(after.status?.conditions).toEqual(pod.status?.conditions);
        }
        const numbers = (await namespace.kubectl('logs', 'ticks')).split('\n').slice(0, -1).map(Number);
        expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      },
    );
  },
  LOG_LIMITS,
);

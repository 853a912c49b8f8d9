import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Pod } from '../../agent/kube/types.ts';
import { MAX_DESCRIPTORS } from '../../wasi/core/descriptor-table.ts';
import { containerStatus, describeScene, isEnded, isReady, type Namespace, type Scene } from './scene.ts';

const LOG_LIMITS = { containerLogMaxSize: '1Mi', containerLogMaxFiles: 3 };
const MEBIBYTE = 1024 * 1024;
/** 0, 1, 2, and the folder '/'. */
const OPEN_AT_FIRST = 4;
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

async function startAbuser(
  scene: Scene,
  namespace: Namespace,
  { name, guest, limits, ...more }: Abuser,
): Promise<void> {
  const image = await scene.image(guest);
  const emptyDir = {
    container: { resources: { limits }, volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }] },
    spec: { terminationGracePeriodSeconds: 30, volumes: [{ name: 'tmp', emptyDir: {} }] },
  };
  await namespace.apply(namespace.pod({ name, image, ...emptyDir, ...(more.args ? { args: more.args } : {}) }));
}

describeScene(
  'guests that take all they can get, all at once',
  (scene) => {
    test(
      'each ends or is held as it should be, and their neighbour goes on as if alone',
      { timeout: TIMEOUT_MS },
      async () => {
        await using namespace = await scene().namespace();
        const [ticker, web] = [await scene().image('ticker'), await scene().image('web-c')];
        const requests = { resources: { requests: { cpu: '200m' } } };
        const steady = { restartPolicy: 'Always', container: requests } as const;
        await namespace.apply(namespace.pod({ name: 'ticks', image: ticker, args: ['20', '1000000'], ...steady }));
        const readinessProbe = { httpGet: { port: 18_090 }, periodSeconds: 1, failureThreshold: 5 };
        const container = { ...requests, readinessProbe };
        await namespace.apply(namespace.pod({ name: 'serves', image: web, args: ['serve', '18090'], container }));
        const before = await Promise.all(['ticks', 'serves'].map((name) => namespace.waitForPod(name, isReady)));

        for (const abuser of ABUSERS) await startAbuser(scene(), namespace, abuser);

        const grows = await namespace.waitForPod('grows', isEnded);
        expect(containerStatus(grows)?.state?.terminated).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
        const fills = await namespace.waitForPod('fills', isEnded);
        expect(fills.status).toMatchObject({ phase: 'Failed', reason: 'Evicted' });
        await expect
          .poll(() => namespace.kubectl('logs', 'opens'), { timeout: 30_000 })
          .toBe(`${MAX_DESCRIPTORS - OPEN_AT_FIRST} files, then EMFILE\ntaken\n`);

        // Of the flood only so much is kept, however long it lasts.
        const floods = await namespace.waitForPod('floods', isReady);
        await expect.poll(() => logBytes(scene(), floods), { timeout: 30_000 }).toBeGreaterThan(2 * MEBIBYTE);
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

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod } from '../../agent/kube/types.ts';
import { TestNetwork, whyNoPodNetwork } from '../../runtime/test-network.ts';
import { describeOnCluster } from '../support/fixture.ts';
import { PATIENCE } from '../support/patience.ts';
import { leftovers } from './leftovers.ts';
import { Machine } from './machine.ts';
import { containerStatus, isEnded, isReady } from './scene.ts';

const why = await whyNoPodNetwork();
const TIMEOUT_MS = 300_000;
/** As the kubelet tells of what nobody saw the end of. */
const UNSEEN = { exitCode: 137, reason: 'ContainerStatusUnknown' };

const lastEnd = (pod: Pod) => containerStatus(pod)?.lastState?.terminated;
const addressOf = ({ status }: Pod): string => status?.podIP ?? '';
const restarts = (pod: Pod): number => containerStatus(pod)?.restartCount ?? 0;

/** The numbers of a ticker's log, as kubectl shows it. */
const numbersOf = (log: string): number[] => log.split('\n').slice(0, -1).map(Number);
const countsFromOne = (numbers: readonly number[]): boolean => numbers.every((number, index) => number === index + 1);

describeOnCluster('a machine that loses its power', () => {
  describe.skipIf(why !== undefined)(why === undefined ? 'and is started again' : `(skipped: ${why})`, () => {
    let machine: Machine;

    beforeAll(async () => {
      machine = await Machine.start(await TestNetwork.create(), { canReboot: true });
    });

    afterAll(async () => {
      await machine[Symbol.asyncDispose]();
    });

    test(
      'goes on as its pods ask for: restarts, statuses, logs, addresses, volumes',
      { timeout: TIMEOUT_MS },
      async () => {
        const { scene, network } = machine;
        await using namespace = await scene.namespace();
        const ticker = await scene.image('ticker');
        const endless = ['10', '1000000'];
        const spec = { terminationGracePeriodSeconds: 1 };
        await namespace.apply(
          namespace.pod({ name: 'always', image: ticker, args: endless, restartPolicy: 'Always', spec }),
        );
        await namespace.apply(namespace.pod({ name: 'never', image: ticker, args: endless, spec }));
        await namespace.apply(namespace.pod({ name: 'forgotten', image: ticker, args: endless, spec }));
        await namespace.apply(namespace.pod({ name: 'done', image: ticker, args: ['1', '3', '5'] }));
        await namespace.apply(
          namespace.pod({
            name: 'volumes',
            image: await scene.image('steps', 'plain'),
            // Ends once with 3, so that it runs on only where the disk keeps what it has; and with 0 where the memory does.
            args: ['first=/disk/mark=3', 'once=/memory/mark', 'print=fresh', 'sleep=3600000'],
            restartPolicy: 'Always',
            container: {
              volumeMounts: [
                { name: 'disk', mountPath: '/disk' },
                { name: 'memory', mountPath: '/memory' },
              ],
            },
            spec: {
              ...spec,
              volumes: [
                { name: 'disk', emptyDir: {} },
                { name: 'memory', emptyDir: { medium: 'Memory' } },
              ],
            },
          }),
        );
        await Promise.all(['always', 'never', 'forgotten'].map((name) => namespace.waitForPod(name, isReady)));
        const ended = await namespace.waitForPod('done', isEnded);
        await namespace.waitForPod('volumes', (pod) => restarts(pod) === 1 && isReady(pod));
        const first = await namespace.getPod('always');

        const bootId = await machine.reboot(async () => {
          await namespace.kubectl('delete', 'pod', 'forgotten', '--force', '--grace-period=0');
        });

        const always = await namespace.waitForPod('always', (pod) => restarts(pod) === 1 && isReady(pod));
        expect(lastEnd(always)).toMatchObject(UNSEEN);
        expect(lastEnd(always)?.containerID).toBe(containerStatus(first)?.containerID);
        expect(addressOf(always)).toMatch(/^10\.123\./);
        const logs = [await namespace.kubectl('logs', 'always', '-p'), await namespace.kubectl('logs', 'always')];
        for (const numbers of logs.map(numbersOf)) {
          expect(numbers.length).toBeGreaterThan(0);
          expect(countsFromOne(numbers)).toBe(true);
        }
        expect(await namespace.waitForEvent('always', ({ reason }) => reason === 'SandboxChanged')).toMatchObject({
          message: 'Pod sandbox changed, it will be killed and re-created.',
        });

        const never = await namespace.waitForPod('never', isEnded);
        expect(never.status?.phase).toBe('Failed');
        expect(containerStatus(never)?.state?.terminated).toMatchObject(UNSEEN);
        expect(countsFromOne(numbersOf(await namespace.kubectl('logs', 'never')))).toBe(true);

        const volumes = await namespace.waitForPod('volumes', (pod) => restarts(pod) === 2 && isReady(pod));
        expect(lastEnd(volumes)).toMatchObject(UNSEEN);
        await expect.poll(() => namespace.kubectl('logs', 'volumes')).toBe('fresh\n');

        const done = await namespace.getPod('done');
        expect(containerStatus(done)?.state).toEqual(containerStatus(ended)?.state);
        expect(done.status?.phase).toBe('Failed');
        expect(await namespace.kubectl('logs', 'done')).toBe('1\n2\n3\n');

        const node = (await scene.api.request<Node>('GET', `/api/v1/nodes/${scene.agent.nodeName}`)).body;
        expect(node.status?.nodeInfo?.bootID).toBe(bootId);

        // The addresses of those that ended are free, those of the others are theirs.
        const addresses = [always, volumes].map(addressOf);
        await expect.poll(() => network.leases().toSorted(), PATIENCE).toEqual(addresses.toSorted());

        await namespace.kubectl('delete', 'pods', '--all', '--timeout=60s');
        await expect.poll(() => leftovers(scene.agent, network), { timeout: 60_000, interval: 1000 }).toEqual([]);
      },
    );
  });
});

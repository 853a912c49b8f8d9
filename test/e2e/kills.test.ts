import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { testFolder } from '../../runtime/test-folder.ts';
import { TestNetwork, whyNoPodNetwork } from '../../runtime/test-network.ts';
import { PROJECT } from '../support/agent.ts';
import { runOrThrow } from '../support/command.ts';
import { describeOnCluster, useCluster } from '../support/fixture.ts';
import { SeededRandom } from '../support/random.ts';
import { KillLoad } from './kill-load.ts';
import { Killer } from './killer.ts';
import { leftovers } from './leftovers.ts';
import { Machine } from './machine.ts';
import { startScene, type Scene } from './scene.ts';

/** How often something is killed; whole: 200. */
const KILLS = Number(process.env['WASMLET_TEST_KILLS'] ?? 12);
const { WASMLET_TEST_SEED: givenSeed } = process.env;
const random = new SeededRandom(givenSeed === undefined ? undefined : Number(givenSeed));

/** Between two of them: often less than a node needs to be back. But of so many the last waits until it is. */
const MAX_PAUSE_MS = 2000;
const MAX_IN_ROW = 3;
/** Of one kill with its pause, generously; and of what comes before and after them. */
const KILL_TIMEOUT_MS = 30_000;
const REST_TIMEOUT_MS = 900_000;
const CLEAN_TIMEOUT_MS = 90_000;

/** Logs are rotated every few seconds, and none is dropped. */
const config = { containerLogMaxSize: '16Ki', containerLogMaxFiles: 10_000, maxContainerRestartPeriod: '10s' };

interface Node extends AsyncDisposable {
  readonly scene: Scene;
  readonly network?: TestNetwork;
}

/** A node whose pods have networks of their own, where the machine allows it. */
async function startNode(agent: readonly string[]): Promise<Node> {
  const why = await whyNoPodNetwork();
  if (why === undefined) return Machine.start(await TestNetwork.create(), { config, agent });
  const scene = await startScene(useCluster(), config, agent);
  return { scene, [Symbol.asyncDispose]: () => scene[Symbol.asyncDispose]() };
}

/** The agent as it is published: it is started a hundred times. */
async function bundleAgent(folder: string): Promise<string[]> {
  const bundle = join(PROJECT, 'build/bundle.ts');
  await runOrThrow(process.execPath, [bundle, folder], { cwd: PROJECT, timeoutMs: REST_TIMEOUT_MS });
  return [process.execPath, join(folder, 'cli.mjs')];
}

describeOnCluster('kill -9 of agent, supervisor and hosts under load', () => {
  test(
    `${KILLS} times, one or two at once: no line lost or doubled, no wrong status, nothing left (WASMLET_TEST_SEED=${random.seed})`,
    { timeout: REST_TIMEOUT_MS + KILLS * KILL_TIMEOUT_MS },
    async () => {
      using folder = testFolder();
      await using node = await startNode(await bundleAgent(folder.path));
      const { scene, network } = node;
      await using namespace = await scene.namespace();
      const killer = new Killer(scene.agent, random);
      const load = new KillLoad(scene, namespace, killer, random);
      await load.start();
      const stopped = new AbortController();
      const strikes = async () => {
        let untilProgress = 0;
        for (let kills = 0; kills < KILLS; kills++, untilProgress--) {
          if (untilProgress === 0) {
            await load.progress();
            untilProgress = random.between(1, MAX_IN_ROW);
          }
          await delay(random.between(0, MAX_PAUSE_MS));
          await killer.strike();
        }
      };
      const stop = () => stopped.abort();
      // Where one of them fails, the other ends too, and both failures are shown.
      const results = await Promise.allSettled([load.run(stopped.signal).finally(stop), strikes().finally(stop)]);
      expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
      await load.finish();
      console.log(`${load.ended} pods ended, ${load.deleted} were deleted; killed:`, Object.fromEntries(killer.counts));
      expect([...load.faults]).toEqual([]);
      await expect
        .poll(() => leftovers(scene.agent, network), { timeout: CLEAN_TIMEOUT_MS, interval: 1000 })
        .toEqual([]);
    },
  );
});

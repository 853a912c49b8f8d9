import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildTools } from '../test/support/tools.ts';
import { testCgroups } from './test-cgroups.ts';
import { SLEEPS } from './test-guests.ts';
import { NetworkedRuntime, TestNetwork, whyNoPodNetwork } from './test-network.ts';
import { until } from './test-runtime.ts';

/** That sandboxes leave nothing behind, whatever runs them. */

const why = await whyNoPodNetwork();
/** For building the plugins, once. */
const BUILD_TIMEOUT_MS = 10 * 60_000;

/** How many of each class are made; whole: 500. */
const WANTED = process.env['WASMLET_TEST_SANDBOXES'];
const CLASSES = Object.entries({ wasm: 50, 'wasm-shared': 30, 'wasm-interpreter': 30 }).map(
  ([handler, count]) => [handler, Number(WANTED ?? count)] as const,
);
/** At a time. */
const BATCH = 25;
const NO_LIMITS = { cpuPeriod: 0, cpuQuota: 0, cpuShares: 0, memoryLimitInBytes: 0 };

/** For a batch, and what waits: with one that is left behind each time there are not enough. */
const HOSTS = BATCH + 7;
const FEW_IDS = { first: 0x50000000, count: HOSTS * 65_536, perHost: 65_536 };

/** Makes sandboxes at once, and removes each. @returns their addresses */
type Use = (count: number) => Promise<string[]>;

describe.skipIf(why !== undefined)(`sandboxes${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  beforeAll(async () => {
    await buildTools(['cniPlugins']);
  }, BUILD_TIMEOUT_MS);

  describe.for(CLASSES)('of %s, %i of them', ([handler, sandboxes]) => {
    const timeout = 120_000 + sandboxes * 2000;
    test(
      'leave no namespace, interface, address, group, process, ids, socket, mount or file',
      { timeout },
      async () => {
        await using network = await TestNetwork.create('dual');
        await using runtime = await NetworkedRuntime.start(network, FEW_IDS);
        const cgroups = await testCgroups();
        const parents: string[] = [];
        const use: Use = (count) =>
          Promise.all(
            Array.from({ length: count }, async (_, index) => {
              const cgroupParent = cgroups?.podPath();
              const linux =
                cgroupParent === undefined ? undefined : { cgroupParent, resources: NO_LIMITS, pidsLimit: 100 };
              if (cgroupParent !== undefined) parents.push(cgroupParent);
              const sandbox = await runtime.sandbox(linux ? { linux } : {}, handler);
              // Some run, and some are removed while nothing has been started in them.
              if (index % 2 === 0) await runtime.container(sandbox, SLEEPS);
              const { ip } = (await runtime.service.podSandboxStatus(sandbox)).network;
              await runtime.service.removePodSandbox(sandbox);
              return ip;
            }),
          );
        // What is there once and stays: the folders of the node, the bundle of its hosts, a warm one.
        await use(1);
        await until(() => isAtRest(runtime));
        const before = runtime.holdings();
        for (let made = 0; made < sandboxes; made += BATCH) {
          const addresses = await use(Math.min(BATCH, sandboxes - made));
          expect(addresses.filter((address) => address === '')).toEqual([]);
          // Pods that share a namespace have addresses of their own too.
          expect(new Set(addresses).size).toBe(addresses.length);
        }
        await until(async () => (await leftovers(runtime, network)).flat().length === 0).catch(() => undefined);
        expect(await leftovers(runtime, network)).toEqual([[], [], []]);
        const groups = parents.flatMap((path) => cgroups?.layout.folders(path) ?? []);
        expect(groups.filter((path) => existsSync(path))).toEqual([]);
        // The kernel's part of an end may come a moment later.
        await until(() => isDeepStrictEqual(runtime.holdings(), before)).catch(() => undefined);
        expect(runtime.holdings()).toEqual(before);
      },
    );
  });
});

/** Whether one host waits for a container, all others and what they had are gone, and what hosts run is compiled. */
function isAtRest(runtime: NetworkedRuntime): boolean {
  const { processes, idRanges, files } = runtime.holdings();
  const sockets = files.filter((path) => path === 'run/sock').length;
  // With the supervisor. Ids of its own it has where the machine lets it.
  const isCompiled = files.some((path) => path.endsWith('.cache')) && !files.some((path) => path.includes('/trial-'));
  return processes === 2 && idRanges <= 1 && sockets === 1 && isCompiled;
}

/** Namespaces, addresses and interfaces. */
const leftovers = async (runtime: NetworkedRuntime, network: TestNetwork): Promise<[string[], string[], string[]]> => [
  await runtime.namespaces(),
  network.leases(),
  await network.pairs(),
];

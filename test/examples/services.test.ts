import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod, Service } from '../../agent/kube/types.ts';
import { TestNetwork, whyNoPodNetwork } from '../../runtime/test-network.ts';
import { Machine } from '../e2e/machine.ts';
import type { Namespace } from '../e2e/scene.ts';
import { leadToPod, NameServer } from '../e2e/services.ts';
import { describeOnCluster } from '../support/fixture.ts';
import { needCommands } from './commands.ts';
import { readExample, runExample } from './example.ts';

/** For building toolchains, once. */
const TIMEOUT_MS = 30 * 60_000;
/** The machine's own address among its pods. */
const GATEWAY = '10.123.0.1';

const hasIptables = ['/usr/sbin/iptables', '/sbin/iptables', '/usr/bin/iptables'].some((path) => existsSync(path));
const why = (await whyNoPodNetwork()) ?? (hasIptables ? undefined : 'no iptables');

describeOnCluster('an example with Services', () => {
  describe.skipIf(why !== undefined)(why === undefined ? 'by CNI' : `by CNI (skipped: ${why})`, () => {
    let machine: Machine;
    let names: NameServer;

    beforeAll(async () => {
      machine = await Machine.start(await TestNetwork.create('dual', []), { config: { clusterDNS: [GATEWAY] } });
      names = await NameServer.start(machine);
    });

    afterAll(async () => {
      await machine[Symbol.asyncDispose]();
    });

    /** Has the Services of a namespace reached by address and name, as kube-proxy and the cluster's DNS do. */
    async function serve(namespace: Namespace): Promise<void> {
      const { api } = machine.scene;
      const path = `/api/v1/namespaces/${namespace.name}`;
      const { body } = await api.request<{ items: Service[] }>('GET', `${path}/services`);
      const addresses: Record<string, string[]> = {};
      for (const service of body.items) {
        const labelSelector = Object.entries(service.spec?.selector ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .join(',');
        const hasAddress = ({ status }: Pod) => status?.podIP !== undefined;
        await leadToPod(machine, service, await api.waitFor<Pod>(`${path}/pods`, hasAddress, { labelSelector }));
        addresses[`${service.metadata?.name}.${namespace.name}.svc.cluster.local.`] = [service.spec?.clusterIP ?? ''];
      }
      await names.set(addresses);
    }

    test.for(['web', 'pipeline'])(
      '%s: all that its README says, as it says',
      { timeout: TIMEOUT_MS },
      async (name, { skip }) => {
        await needCommands(skip);
        await using namespace = await machine.scene.namespace();
        const { scene } = machine;
        const env = { REGISTRY: scene.cluster.registry };
        const applied = () => serve(namespace);
        const { output } = await readExample(name);
        expect(await runExample(name, { scene, namespace, env, applied })).toBe(output);
      },
    );
  });
});

import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod, Service } from '../../agent/kube/types.ts';
import { TestNetwork, whyNoHostPorts, whyNoPodNetwork } from '../../runtime/test-network.ts';
import { until } from '../../runtime/test-runtime.ts';
import { describeOnCluster } from '../support/fixture.ts';
import { Machine } from './machine.ts';
import { describeScene, isEnded, isReady, type Namespace } from './scene.ts';
import { leadToPod, NameServer } from './services.ts';

/** The port of every server here: a pod's own. */
const PORT = 8080;
/** The port of every Service here. */
const SERVICE_PORT = 80;
/** The machine's own addresses among its pods. */
const GATEWAY = '10.123.0.1';
const GATEWAY6 = 'fd00:123::1';
const PORTMAP = { type: 'portmap', capabilities: { portMappings: true } };

const serve = {
  args: ['serve', String(PORT)],
  container: { readinessProbe: { httpGet: { port: PORT }, periodSeconds: 1 } },
};

const why = await whyNoPodNetwork();
const whyNoPorts = whyNoHostPorts();
const hasIptables = ['/usr/sbin/iptables', '/sbin/iptables', '/usr/bin/iptables'].some((path) => existsSync(path));

describeOnCluster('pods with a network of their own', () => {
  describe.skipIf(why !== undefined)(why === undefined ? 'by CNI' : `by CNI (skipped: ${why})`, () => {
    let machine: Machine;

    beforeAll(async () => {
      const network = await TestNetwork.create('dual', whyNoPorts === undefined ? [PORTMAP] : []);
      machine = await Machine.start(network, { config: { clusterDNS: [GATEWAY] } });
    });

    afterAll(async () => {
      await machine[Symbol.asyncDispose]();
    });

    /** A server that is ready. */
    async function server(namespace: Namespace, name: string, container: object = {}): Promise<Pod> {
      const image = await machine.scene.image('web-c');
      await namespace.apply(
        namespace.pod({
          name,
          image,
          ...serve,
          container: { ...serve.container, ports: [{ containerPort: PORT }], ...container },
        }),
      );
      return namespace.waitForPod(name, (pod) => isReady(pod) || isEnded(pod));
    }

    /** What a pod gets that asks an address. */
    async function ask(
      namespace: Namespace,
      name: string,
      { address, port, spec = {} }: { address: string; port: number | string; spec?: object },
    ): Promise<string> {
      const image = await machine.scene.image('web-c');
      await namespace.apply(
        namespace.pod({ name, image, args: ['get', address, String(port), `/${name}`], spec: { ...spec } }),
      );
      await namespace.waitForPod(name, isEnded);
      return namespace.kubectl('logs', name);
    }

    test('two in different namespaces have one port, addresses of both families, and talk to each other', async () => {
      await using here = await machine.scene.namespace();
      await using there = await machine.scene.namespace();
      const servers = await Promise.all([server(here, 'web'), server(there, 'web')]);
      const addresses = servers.map(({ status }) => status?.podIP ?? '');
      expect(servers.map(isReady)).toEqual([true, true]);
      expect(new Set(addresses).size).toBe(2);
      for (const { status } of servers) {
        const [first, second] = status?.podIPs ?? [];
        expect(first?.ip).toBe(status?.podIP);
        expect(first?.ip).toMatch(/^10\.123\./);
        expect(second?.ip).toMatch(/^fd00:123::/);
        expect(status?.hostIP).toBe('127.0.0.1');
      }
      const [ours = '', theirs = ''] = addresses;
      expect(await ask(here, 'across', { address: theirs, port: PORT })).toBe('GET /across HTTP/1.1\n');
      expect(await ask(there, 'back', { address: ours, port: PORT })).toBe('GET /back HTTP/1.1\n');
    });

    test('they talk over IPv6 too', async () => {
      await using namespace = await machine.scene.namespace();
      const { status } = await server(namespace, 'web', { args: ['serve6', String(PORT)] });
      const address = status?.podIPs?.[1]?.ip ?? '';
      expect(await ask(namespace, 'six', { address, port: PORT })).toBe('GET /six HTTP/1.1\n');
    });

    test("the agent's own port is refused on the address that leads to the node", async () => {
      await using namespace = await machine.scene.namespace();
      const args = ['refuse', GATEWAY, String(machine.nodePort)];
      await namespace.apply(namespace.pod({ name: 'curious', image: await machine.scene.image('web-c'), args }));
      await namespace.waitForPod('curious', isEnded);
      expect(await namespace.kubectl('logs', 'curious')).toBe('EACCES\n');
    });

    test.skipIf(whyNoPorts !== undefined)(
      `a hostPort leads to its pod${whyNoPorts === undefined ? '' : ` (skipped: ${whyNoPorts})`}; a pod of the host network has the address of the node`,
      async () => {
        await using namespace = await machine.scene.namespace();
        const ports = [{ containerPort: PORT, hostPort: 18_080 }];
        expect(isReady(await server(namespace, 'web', { ports }))).toBe(true);
        const question = { address: GATEWAY, port: 18_080, spec: { hostNetwork: true } };
        expect(await ask(namespace, 'client', question)).toBe('GET /client HTTP/1.1\n');
        expect((await namespace.getPod('client')).status?.podIP).toBe('127.0.0.1');
      },
    );

    test.skipIf(whyNoPorts !== undefined)(
      `a hostPort leads to its pod in both families${whyNoPorts === undefined ? '' : ` (skipped: ${whyNoPorts})`}`,
      async () => {
        await using namespace = await machine.scene.namespace();
        const ports = [{ containerPort: PORT, hostPort: 18_081 }];
        await server(namespace, 'web', { ports, args: ['serve6', String(PORT)] });
        for (const host of [GATEWAY, `[${GATEWAY6}]`]) {
          const script = `fetch('http://${host}:18081/').then(async (answer) => console.log(await answer.text()))`;
          expect(await machine.network.run(process.execPath, '-e', script)).toBe('GET / HTTP/1.1\n\n');
        }
      },
    );

    async function service(namespace: Namespace, pod: Pod): Promise<Service> {
      const path = `/api/v1/namespaces/${namespace.name}/services`;
      const { body } = await machine.scene.api.request<Service>('POST', path, {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web' },
        spec: { selector: { app: 'web' }, ports: [{ port: SERVICE_PORT, targetPort: PORT }] },
      });
      await leadToPod(machine, body, pod);
      return body;
    }

    test.skipIf(!hasIptables)(
      `a Service is reached by its variables, and by its names through the name server of the cluster${hasIptables ? '' : ' (skipped: no iptables)'}`,
      async () => {
        await using namespace = await machine.scene.namespace();
        await using elsewhere = await machine.scene.namespace();
        const web = await server(namespace, 'server');
        const { spec } = await service(namespace, web);
        const address = spec?.clusterIP ?? '';

        // Pods made from now on have its variables, once the agent has seen it.
        const named = { address: '$(WEB_SERVICE_HOST)', port: '$(WEB_SERVICE_PORT)' };
        await expect
          .poll(async () => ask(namespace, `variables-${Date.now()}`, named), { timeout: 60_000 })
          .toMatch(/^GET \/variables-\d+ HTTP\/1\.1\n$/);

        const nameServer = await NameServer.start(machine);
        await nameServer.set({ [`web.${namespace.name}.svc.cluster.local.`]: [address] });
        const names = ['web', `web.${namespace.name}`, `web.${namespace.name}.svc`];
        for (const [index, name] of names.entries()) {
          const pod = `name-${index}`;
          expect(await ask(namespace, pod, { address: name, port: SERVICE_PORT })).toBe(`GET /${pod} HTTP/1.1\n`);
        }
        const far = { address: `web.${namespace.name}`, port: SERVICE_PORT };
        expect(await ask(elsewhere, 'far', far)).toBe('GET /far HTTP/1.1\n');
        expect(await ask(elsewhere, 'none', { address: 'web', port: SERVICE_PORT })).toBe('web: no such name\n');
      },
    );

    test('the network of the node is ready, and pods that are gone leave nothing of theirs', async () => {
      const { nodeName } = machine.scene.agent;
      const node = (await machine.scene.api.request<Node>('GET', `/api/v1/nodes/${nodeName}`)).body;
      expect(node.status?.conditions?.find(({ type }) => type === 'NetworkUnavailable')).toMatchObject({
        status: 'False',
        reason: 'NetworkReady',
      });
      await until(
        async () => machine.network.leases().length === 0 && (await machine.network.pairs()).length === 0,
        60_000,
      );
    });
  });
});

describeScene('pods without CNI', (scene) => {
  test("share the node's address, and condition and event of the node say so", async () => {
    const { nodeName } = scene().agent;
    const node = (await scene().api.request<Node>('GET', `/api/v1/nodes/${nodeName}`)).body;
    const message = "runtime network is ready; pods share the node's address: no CNI is configured (cniConfDir)";
    expect(node.status?.conditions?.find(({ type }) => type === 'NetworkUnavailable')).toMatchObject({
      status: 'False',
      reason: 'PodsShareNodeAddress',
      message,
    });
    const fieldSelector = `involvedObject.name=${nodeName},reason=PodsShareNodeAddress`;
    const event = await scene().api.waitFor('/api/v1/events', () => true, { fieldSelector });
    expect(event).toMatchObject({ type: 'Normal', message });
  });
});

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Node, Pod } from '../../agent/kube/types.ts';
import { insideNamespace } from '../../runtime/sandbox/network/namespace.ts';
import { TestNetwork, whyNoHostPorts, whyNoPodNetwork } from '../../runtime/test-network.ts';
import { until } from '../../runtime/test-runtime.ts';
import { PROJECT } from '../support/agent.ts';
import { describeOnCluster, environment, useCluster } from '../support/fixture.ts';
import { freePort } from '../support/ports.ts';
import { relay } from '../support/relay.ts';
import { describeScene, isEnded, isReady, startScene, type Scene } from './scene.ts';

/** The port of every server here: a pod's own. */
const PORT = 8080;
const PORTMAP = { type: 'portmap', capabilities: { portMappings: true } };

const serve = {
  args: ['serve', String(PORT)],
  container: { readinessProbe: { httpGet: { port: PORT }, periodSeconds: 1 } },
};

/**
 * An agent and its supervisor on a machine of a TestNetwork: a network namespace that reaches the cluster, and is reached
 * by it, through relays.
 */
class Machine implements AsyncDisposable {
  readonly network: TestNetwork;
  readonly #stack = new AsyncDisposableStack();
  #scene: Scene | undefined;
  /** The agent's own port. */
  nodePort = 0;

  constructor(network: TestNetwork) {
    this.network = this.#stack.use(network);
  }

  get scene(): Scene {
    if (!this.#scene) throw new Error('the machine is not started');
    return this.#scene;
  }

  async start(): Promise<void> {
    const { network } = this;
    const cluster = useCluster();
    const nodePort = await freePort();
    this.nodePort = nodePort;
    const socket = (port: number) => `unix:${join(network.folder, `${port}.sock`)}`;
    const outwards = [new URL(environment().cluster.server), new URL(`http://${cluster.registry}`)].map(({ port }) =>
      Number(port),
    );
    for (const port of outwards) this.#stack.use(await relay(socket(port), `tcp:${port}`));
    this.#stack.use(await relay(`tcp:${nodePort}`, socket(nodePort)));
    await this.#relayInside([
      ...outwards.map((port) => `tcp:${port}=${socket(port)}`),
      `${socket(nodePort)}=tcp:${nodePort}`,
    ]);
    const [program, args] = insideNamespace(network.machine, process.execPath, [join(PROJECT, 'agent/cli.ts')]);
    const config = { port: nodePort, cniConfDir: network.confDir, cniBinDir: network.binDir };
    this.#scene = this.#stack.use(await startScene(cluster, config, [program, ...args]));
  }

  async #relayInside(pairs: readonly string[]): Promise<void> {
    const args = [join(PROJECT, 'test/support/relay.ts'), ...pairs];
    const child: ChildProcess = spawn(...insideNamespace(this.network.machine, process.execPath, args), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#stack.defer(async () => {
      const ended = once(child, 'exit');
      if (child.kill()) await ended;
    });
    if (child.stdout) await once(child.stdout, 'data');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

const why = await whyNoPodNetwork();
const whyNoPorts = whyNoHostPorts();

describeOnCluster('pods with a network of their own', () => {
  describe.skipIf(why !== undefined)(why === undefined ? 'by CNI' : `by CNI (skipped: ${why})`, () => {
    let machine: Machine;

    beforeAll(async () => {
      machine = new Machine(await TestNetwork.create('dual', whyNoPorts === undefined ? [PORTMAP] : []));
      await machine.start();
    });

    afterAll(async () => {
      await machine[Symbol.asyncDispose]();
    });

    /** A server that is ready. */
    async function server(
      namespace: Awaited<ReturnType<Scene['namespace']>>,
      name: string,
      container: object = {},
    ): Promise<Pod> {
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
      namespace: Awaited<ReturnType<Scene['namespace']>>,
      name: string,
      { address, port, spec = {} }: { address: string; port: number; spec?: object },
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

    test("the agent's own port is refused on the address that leads to the node", async () => {
      await using namespace = await machine.scene.namespace();
      const args = ['refuse', '10.123.0.1', String(machine.nodePort)];
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
        const question = { address: '10.123.0.1', port: 18_080, spec: { hostNetwork: true } };
        expect(await ask(namespace, 'client', question)).toBe('GET /client HTTP/1.1\n');
        expect((await namespace.getPod('client')).status?.podIP).toBe('127.0.0.1');
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

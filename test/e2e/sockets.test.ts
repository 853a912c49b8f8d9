import { expect, test } from 'vitest';
import { freePort } from '../support/ports.ts';
import { containerStatus, describeScene, isEnded, isReady } from './scene.ts';

/** The cluster has no other address than loopback, so its pods must be let there. */
const ON_LOOPBACK = { guestAllowLoopback: true };

const readinessProbe = (port: number) => ({ httpGet: { path: '/ready', port }, periodSeconds: 1 });

describeScene(
  'guests with sockets',
  (scene) => {
    test('a server by WasmEdge its extension is Ready by its probe and answers from outside and from another pod', async () => {
      await using namespace = await scene().namespace();
      const image = await scene().image('web-c');
      const port = await freePort();
      const container = { ports: [{ containerPort: port, name: 'web' }], readinessProbe: readinessProbe(port) };
      await namespace.apply({
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web' },
        spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: port }] },
      } as never);
      await namespace.apply(
        namespace.pod({
          name: 'web',
          image,
          args: ['serve', String(port)],
          container,
          labels: { app: 'web' },
        }),
      );
      const { status } = await namespace.waitForPod('web', (pod) => isReady(pod) || isEnded(pod));
      expect(status?.podIP).toBe('127.0.0.1');
      expect(status?.podIP).toBe(status?.hostIP);
      expect(await (await fetch(`http://${status?.podIP}:${port}/outside`)).text()).toBe('GET /outside HTTP/1.1\n');

      // A Service has no endpoints on loopback, and no kube-proxy runs here: the client goes to what would be behind it.
      await namespace.apply(
        namespace.pod({
          name: 'client',
          image,
          args: ['get', '$(ADDRESS)', '$(PORT)', '/from-$(WEB_SERVICE_PORT)'],
          container: {
            env: [
              { name: 'ADDRESS', value: status?.podIP },
              { name: 'PORT', value: String(port) },
            ],
          },
        }),
      );
      await namespace.waitForPod('client', isEnded);
      expect(await namespace.kubectl('logs', 'client')).toBe('GET /from-80 HTTP/1.1\n');
    });

    test("Go's net/http serves on the declared port's descriptor, beside which a program still finds its files", async () => {
      await using namespace = await scene().namespace();
      const [port, other] = [await freePort(), await freePort()];
      await namespace.apply(
        namespace.pod({
          name: 'files',
          image: await scene().image('tools-go'),
          args: ['cat', '/var/run/secrets/kubernetes.io/serviceaccount/namespace'],
          container: { ports: [{ containerPort: other }] },
        }),
      );
      await namespace.apply(
        namespace.pod({
          name: 'go',
          image: await scene().image('web-go'),
          container: { ports: [{ containerPort: port, name: 'http' }], readinessProbe: readinessProbe(port) },
        }),
      );
      const { status } = await namespace.waitForPod('go', (pod) => isReady(pod) || isEnded(pod));
      expect(await namespace.kubectl('logs', 'go')).toContain('listening on http\n');
      const answers = await Promise.all(
        Array.from({ length: 20 }, async (_, index) =>
          (await fetch(`http://${status?.podIP}:${port}/${index}`)).text(),
        ),
      );
      expect(answers).toEqual(Array.from({ length: 20 }, (_, index) => `Hello from Wasm: /${index}\n`));
      await namespace.waitForPod('files', isEnded);
      expect(await namespace.kubectl('logs', 'files')).toBe(namespace.name);
    });

    test('of two pods that want one port the second is told so in its log and fails', async () => {
      await using namespace = await scene().namespace();
      const image = await scene().image('web-c');
      const port = await freePort();
      const args = ['serve', String(port)];
      await namespace.apply(
        namespace.pod({ name: 'first', image, args, container: { readinessProbe: readinessProbe(port) } }),
      );
      await namespace.waitForPod('first', (pod) => isReady(pod) || isEnded(pod));
      await namespace.apply(namespace.pod({ name: 'second', image, args }));
      const second = await namespace.waitForPod('second', isEnded);
      expect(containerStatus(second)?.state?.terminated?.exitCode).toBe(1);
      expect(await namespace.kubectl('logs', 'second')).toMatch(
        new RegExp(
          `port ${port} cannot be opened on 127.0.0.1: another pod or program of this node.*\nbind: Address in use`,
        ),
      );
    });

    test("the agent's own port is not for guests, even where loopback is", async () => {
      await using namespace = await scene().namespace();
      const node = JSON.parse(await scene().kubectl(['get', 'node', scene().agent.nodeName, '-o', 'json'])) as {
        status: { daemonEndpoints: { kubeletEndpoint: { Port: number } } };
      };
      const args = ['refuse', '127.0.0.1', String(node.status.daemonEndpoints.kubeletEndpoint.Port)];
      await namespace.apply(namespace.pod({ name: 'curious', image: await scene().image('web-c'), args }));
      await namespace.waitForPod('curious', isEnded);
      expect(await namespace.kubectl('logs', 'curious')).toBe('EACCES\n');
    });
  },
  ON_LOOPBACK,
);

describeScene('guests with sockets, as they are by default', (scene) => {
  test.each([
    ['loopback', '127.0.0.1'],
    ['cloud metadata', '169.254.169.254'],
  ])('%s is not for them', async (_, address) => {
    await using namespace = await scene().namespace();
    const args = ['refuse', address, '80'];
    await namespace.apply(namespace.pod({ name: 'curious', image: await scene().image('web-c'), args }));
    await namespace.waitForPod('curious', isEnded);
    expect(await namespace.kubectl('logs', 'curious')).toBe('EACCES\n');
  });
});

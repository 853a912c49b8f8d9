import { expect, test } from 'vitest';
import type { Pod } from '../../agent/kube/types.ts';
import { HEALTH_CHECK, serveGrpc, type GrpcServer } from '../support/grpc-server.ts';
import type { PodOptions } from './scene.ts';
import { containerStatus, describeScene, isEnded, isReady } from './scene.ts';

/** Where the module lies in the image. */
const STEPS = '/app.wasm';
const HOUR = 'sleep=3600000';

const exec = (...steps: string[]) => ({ exec: { command: [STEPS, ...steps] } });
const restarts = (pod: Pod): number => containerStatus(pod)?.restartCount ?? 0;

describeScene('probes by command and by gRPC', (scene) => {
  /** A pod of the guest that does what its arguments say, in an image that has files. */
  const steps = async (name: string, args: string[], container: PodOptions['container'] = {}): Promise<PodOptions> => ({
    name,
    image: await scene().image('steps', 'plain'),
    args,
    container,
    restartPolicy: 'Always',
    spec: { terminationGracePeriodSeconds: 1 },
  });

  test('a pod is ready when the command succeeds in its files, and not before', async () => {
    await using namespace = await scene().namespace();
    const readinessProbe = { ...exec('show=/ready'), periodSeconds: 1 };
    const args = ['sleep=3000', 'write=/ready=yes', HOUR];
    await namespace.apply(namespace.pod(await steps('app', args, { readinessProbe })));
    const unhealthy = await namespace.waitForEvent('app', ({ reason }) => reason === 'Unhealthy');
    expect(unhealthy.message).toBe('Readiness probe failed: steps: /ready: No such file or directory\n');
    expect(isReady(await namespace.getPod('app'))).toBe(false);
    await namespace.waitForPod('app', isReady);
    expect(await namespace.kubectl('logs', 'app')).toBe('');
  });

  test('a command that fails ends the container, which is started again', async () => {
    await using namespace = await scene().namespace();
    const livenessProbe = { ...exec('show=/alive'), periodSeconds: 1, failureThreshold: 2 };
    await namespace.apply(namespace.pod(await steps('app', [HOUR], { livenessProbe })));
    await namespace.waitForPod('app', (pod) => restarts(pod) > 0);
    const killing = await namespace.waitForEvent('app', ({ reason }) => reason === 'Killing');
    expect(killing.message).toBe('Container app failed liveness probe, will be restarted');
  });

  test('a command that takes longer than it may fails its probe', async () => {
    await using namespace = await scene().namespace();
    const startupProbe = { ...exec('sleep=60000'), timeoutSeconds: 1, failureThreshold: 1 };
    await namespace.apply(namespace.pod(await steps('app', [HOUR], { startupProbe })));
    const unhealthy = await namespace.waitForEvent('app', ({ reason }) => reason === 'Unhealthy');
    expect(unhealthy.message).toBe(
      `Startup probe failed: command timed out: "${STEPS} sleep=60000" timed out after 1s`,
    );
    await namespace.waitForPod('app', (pod) => restarts(pod) > 0);
  });

  test('a command that is not in the image decides nothing, and is told of', async () => {
    await using namespace = await scene().namespace();
    const livenessProbe = { exec: { command: ['cat', '/x'] }, periodSeconds: 1, failureThreshold: 1 };
    await namespace.apply(namespace.pod(await steps('app', [HOUR], { livenessProbe })));
    const unhealthy = await namespace.waitForEvent(
      'app',
      ({ reason, count = 0 }) => reason === 'Unhealthy' && count >= 2,
    );
    expect(unhealthy.message).toMatch(
      /^Liveness probe errored and resulted in unknown state: rpc error: code = \w+ desc = failed to exec in container: .*exec: "cat": executable file not found in \$PATH$/,
    );
    expect(restarts(await namespace.getPod('app'))).toBe(0);
  });

  test('a pod is ready while its gRPC health service serves', async () => {
    await using namespace = await scene().namespace();
    let status = 1;
    using health = await serveHealth(() => status);
    const readinessProbe = { grpc: { port: health.port, service: 'app' }, periodSeconds: 1, failureThreshold: 1 };
    await namespace.apply(namespace.pod(await steps('app', [HOUR], { readinessProbe })));
    await namespace.waitForPod('app', isReady);
    status = 2;
    await namespace.waitForPod('app', (pod) => !isReady(pod));
    const unhealthy = await namespace.waitForEvent('app', ({ reason }) => reason === 'Unhealthy');
    expect(unhealthy.message).toBe('Readiness probe failed: service unhealthy (responded with "NOT_SERVING")');
  });

  test('a postStart command runs in the container', async () => {
    await using namespace = await scene().namespace();
    const lifecycle = { postStart: exec('write=/hello=from the hook') };
    const options = await steps('app', ['sleep=3000', 'show=/hello'], { lifecycle });
    await namespace.apply(namespace.pod({ ...options, restartPolicy: 'Never' }));
    const pod = await namespace.waitForPod('app', isEnded);
    expect(pod.status?.phase).toBe('Succeeded');
    expect(await namespace.kubectl('logs', 'app')).toContain('from the hook');
  });

  test('a postStart command that fails ends the container', async () => {
    await using namespace = await scene().namespace();
    const lifecycle = { postStart: exec('print=out', 'exit=3') };
    await namespace.apply(namespace.pod(await steps('app', [HOUR], { lifecycle })));
    const pod = await namespace.waitForPod(
      'app',
      (seen) => containerStatus(seen)?.state?.waiting?.reason === 'PostStartHookError',
    );
    expect(containerStatus(pod)?.state?.waiting?.message).toMatch(
      /^Exec lifecycle hook \(\[\/app\.wasm print=out exit=3\]\) for Container "app" in Pod "app_\S+" failed - error: command '\/app\.wasm print=out exit=3' exited with 3: , message: "out\\n"$/,
    );
    const failed = await namespace.waitForEvent('app', ({ reason }) => reason === 'FailedPostStartHook');
    expect(failed.message).toBe('PostStartHook failed');
    const killing = await namespace.waitForEvent('app', ({ reason }) => reason === 'Killing');
    expect(killing.message).toBe('FailedPostStartHook');
  });

  test('a container is not ended before its preStop command has ended, and one that fails is told of', async () => {
    await using namespace = await scene().namespace();
    const spec = { terminationGracePeriodSeconds: 30 };
    const waiting = await steps('waits', [HOUR], { lifecycle: { preStop: exec('sleep=3000') } });
    const failing = await steps('fails', [HOUR], { lifecycle: { preStop: exec('exit=1') } });
    await namespace.apply(namespace.pod({ ...waiting, spec }));
    await namespace.apply(namespace.pod({ ...failing, spec }));
    await Promise.all(['waits', 'fails'].map((name) => namespace.waitForPod(name, isReady)));
    const before = performance.now();
    await namespace.kubectl('delete', 'pod', 'waits');
    expect(performance.now() - before).toBeGreaterThan(3000);
    await namespace.kubectl('delete', 'pod', 'fails');
    const failed = await namespace.waitForEvent('fails', ({ reason }) => reason === 'FailedPreStopHook');
    expect(failed.message).toBe('PreStopHook failed');
    expect((await namespace.events('waits')).map(({ reason }) => reason)).not.toContain('FailedPreStopHook');
  });

  test('a preStop command that is longer than the grace period ends with its container', async () => {
    await using namespace = await scene().namespace();
    const options = await steps('app', [HOUR], { lifecycle: { preStop: exec('sleep=60000') } });
    await namespace.apply(namespace.pod({ ...options, spec: { terminationGracePeriodSeconds: 2 } }));
    await namespace.waitForPod('app', isReady);
    const before = performance.now();
    await namespace.kubectl('delete', 'pod', 'app');
    expect(performance.now() - before).toBeLessThan(20_000);
    const failed = await namespace.waitForEvent('app', ({ reason }) => reason === 'FailedPreStopHook');
    expect(failed.message).toBe('PreStopHook failed');
  });
});

/** A gRPC server whose health service answers so, on every address of this machine, where pods have theirs. */
const serveHealth = (status: () => number): Promise<GrpcServer> =>
  serveGrpc(HEALTH_CHECK, (_call, answer) => answer(null, Buffer.from([8, status()])), '0.0.0.0');

import { readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildTools } from '../test/support/tools.ts';
import { SLEEPS } from './test-guests.ts';
import { findLauncher } from './sandbox/linux/launcher.ts';
import { mapOf } from './sandbox/linux/users.ts';
import { namespacePath, removeNamespace } from './sandbox/network/namespace.ts';
import { NetworkedRuntime, TestNetwork, whyNoPodNetwork } from './test-network.ts';
import { until } from './test-runtime.ts';

const why = await whyNoPodNetwork();
/** For building the plugins, once. */
const BUILD_TIMEOUT_MS = 10 * 60_000;

/** Binds the port of its first listening descriptor, by asking for a connection, and sleeps for an hour. */
const LISTENS = SLEEPS.replace(
  '(memory',
  '(import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32))) (memory',
).replace(
  '(func (export "_start")',
  '(func (export "_start") (drop (call $accept (i32.const 3) (i32.const 0) (i32.const 0)))',
);

describe.skipIf(why !== undefined)(`the network of pods${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  beforeAll(async () => {
    await buildTools(['cniPlugins']);
  }, BUILD_TIMEOUT_MS);

  test('a pod has addresses of both families, its host runs inside, and all is given back', async () => {
    await using network = await TestNetwork.create('dual');
    await using runtime = await NetworkedRuntime.start(network);
    const { conditions } = await runtime.service.status();
    expect(conditions).toContainEqual({ type: 'NetworkReady', status: true, reason: '', message: '' });

    const sandbox = await runtime.sandbox();
    const status = await runtime.service.podSandboxStatus(sandbox);
    expect(status.network.ip).toMatch(/^10\.123\./);
    expect(status.network.additionalIps).toEqual([expect.stringMatching(/^fd00:123::/)]);

    const container = await runtime.container(sandbox, SLEEPS);
    const pid = runtime.hostPid(container);
    const [name] = await runtime.namespaces();
    const inode = statSync(namespacePath(name ?? '')).ino;
    expect(readlinkSync(`/proc/${pid}/ns/net`)).toBe(`net:[${inode}]`);
    expect(readlinkSync('/proc/self/ns/net')).not.toBe(`net:[${inode}]`);
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Seccomp:\s+2$/m);

    await runtime.service.stopPodSandbox(sandbox);
    expect((await runtime.service.podSandboxStatus(sandbox)).network.ip).toBe('');
    expect([await runtime.namespaces(), network.leases(), await network.pairs()]).toEqual([[], [], []]);
    await runtime.service.removePodSandbox(sandbox);
  });

  test('a guest that is nobody to the node listens on a low port of its pod', async () => {
    await using network = await TestNetwork.create();
    await using runtime = await NetworkedRuntime.start(network);
    const policy = { allowLoopback: false, allow: [], deny: [], ownPorts: [] };
    const listening = { bindAddresses: [], listeners: [{ name: 'http', port: 80 }], policy };
    const container = await runtime.container(await runtime.sandbox(), LISTENS, { network: listening });
    const { body } = JSON.parse(readFileSync(runtime.file(container, 'state.json'), 'utf8')) as {
      body: { host: { pid: number } };
    };
    const { pid } = body.host;
    // Port 80, and the state of a socket that listens (proc_pid_net(5)).
    const listens = /^\s*\d+: [0-9A-F]+:0050 [0-9A-F]+:0000 0A /m;
    await until(() => ['tcp', 'tcp6'].some((name) => listens.test(readFileSync(`/proc/${pid}/net/${name}`, 'utf8'))));
    if (findLauncher() === 'perl') expect(mapOf(pid)?.first).toBeGreaterThan(65_535);
  });

  test('a pod on the host network has none of it', async () => {
    await using network = await TestNetwork.create();
    await using runtime = await NetworkedRuntime.start(network);
    const sandbox = await runtime.sandbox({ hostNetwork: true });
    expect((await runtime.service.podSandboxStatus(sandbox)).network.ip).toBe('');
    expect(await runtime.namespaces()).toEqual([]);
  });

  test('without a valid configuration the network is not ready and no sandbox is made', async () => {
    await using network = await TestNetwork.create();
    rmSync(join(network.confDir, '10-pods.conflist'));
    await using runtime = await NetworkedRuntime.start(network);
    const message = `cni plugin not initialized: no network config found in ${network.confDir}`;
    expect((await runtime.service.status()).conditions).toContainEqual({
      type: 'NetworkReady',
      status: false,
      reason: 'NetworkPluginNotReady',
      message: `Network plugin returns error: ${message}`,
    });
    await expect(runtime.sandbox()).rejects.toThrow(
      /^failed to setup network for sandbox "[0-9a-f]{64}": cni plugin not/,
    );
    network.configure('ipv4');
    expect((await runtime.service.podSandboxStatus(await runtime.sandbox())).network.ip).toMatch(/^10\.123\./);
  });

  test('where a plugin of the chain is missing, nothing is begun', async () => {
    await using network = await TestNetwork.create('ipv4', [{ type: 'absent' }]);
    await using runtime = await NetworkedRuntime.start(network);
    await expect(runtime.sandbox()).rejects.toThrow(
      `plugin type="absent" failed (add): failed to find plugin "absent" in path [${network.binDir}]`,
    );
    expect(await runtime.service.listPodSandbox()).toEqual([]);
    expect(network.leases()).toEqual([]);
  });

  test('where a plugin of the chain fails, what those before it have made is given back', async () => {
    await using network = await TestNetwork.create('ipv4', [{ type: 'refuses' }]);
    const refuses = `[ $CNI_COMMAND = DEL ] || { echo '{"code":100,"msg":"no more"}'; exit 1; }`;
    writeFileSync(join(network.binDir, 'refuses'), `#!/bin/sh\n${refuses}\n`, { mode: 0o755 });
    await using runtime = await NetworkedRuntime.start(network);
    await expect(runtime.sandbox()).rejects.toThrow('plugin type="refuses" failed (add): no more');
    expect(await runtime.service.listPodSandbox()).toEqual([]);
    expect([network.leases(), await network.pairs()]).toEqual([[], []]);
  });

  test('a sandbox whose network cannot be given back stays, and is removed when it can', async () => {
    await using network = await TestNetwork.create('ipv4', [{ type: 'stuck' }]);
    const stuck = join(network.binDir, 'stuck');
    writeFileSync(stuck, '#!/bin/sh\necho \'{"code":100,"msg":"stuck"}\'; exit 1\n', { mode: 0o755 });
    await using runtime = await NetworkedRuntime.start(network);
    await expect(runtime.sandbox()).rejects.toThrow('plugin type="stuck" failed (add): stuck');
    const [sandbox] = await runtime.service.listPodSandbox();
    expect(sandbox?.state).toBe('SANDBOX_NOTREADY');
    const id = sandbox?.id ?? '';
    await expect(runtime.service.removePodSandbox(id)).rejects.toThrow(
      `failed to destroy network for sandbox "${id}": plugin type="stuck" failed (delete): stuck`,
    );
    writeFileSync(stuck, '#!/bin/sh\n', { mode: 0o755 });
    await runtime.service.removePodSandbox(id);
    expect([network.leases(), await network.pairs()]).toEqual([[], []]);
  });

  test('a supervisor that was killed finds the networks again; its successor gives them back without the configuration', async () => {
    await using network = await TestNetwork.create();
    await using runtime = await NetworkedRuntime.start(network);
    const sandbox = await runtime.sandbox();
    const { ip } = (await runtime.service.podSandboxStatus(sandbox)).network;
    await runtime.stop('SIGKILL');
    rmSync(join(network.confDir, '10-pods.conflist'));
    await runtime.start();
    const status = await runtime.service.podSandboxStatus(sandbox);
    expect([status.state, status.network.ip]).toEqual(['SANDBOX_READY', ip]);
    await runtime.service.removePodSandbox(sandbox);
    expect([await runtime.namespaces(), network.leases(), await network.pairs()]).toEqual([[], [], []]);
  });

  test('after a reboot, which takes the namespaces, the addresses are given back at once', async () => {
    await using network = await TestNetwork.create();
    await using runtime = await NetworkedRuntime.start(network);
    const sandbox = await runtime.sandbox();
    const [name] = await runtime.namespaces();
    await runtime.stop('SIGKILL');
    await removeNamespace(namespacePath(name ?? ''));
    for (const file of ['network.json', 'sandbox.json']) {
      const path = runtime.file(sandbox, file);
      writeFileSync(path, readFileSync(path, 'utf8').replace(/"bootId":"[^"]+"/, '"bootId":"an-earlier-one"'));
    }
    await runtime.start();
    expect((await runtime.service.podSandboxStatus(sandbox)).state).toBe('SANDBOX_NOTREADY');
    await until(() => network.leases().length === 0);
  });

  test('a namespace that was removed by hand ends its sandbox', async () => {
    await using network = await TestNetwork.create();
    await using runtime = await NetworkedRuntime.start(network);
    const sandbox = await runtime.sandbox();
    const [name] = await runtime.namespaces();
    await runtime.stop('SIGTERM');
    await removeNamespace(namespacePath(name ?? ''));
    await runtime.start();
    expect((await runtime.service.podSandboxStatus(sandbox)).state).toBe('SANDBOX_NOTREADY');
  });

  test('what a sandbox had whose records are lost is given back by its name', async () => {
    await using network = await TestNetwork.create();
    await using runtime = await NetworkedRuntime.start(network);
    await runtime.sandbox();
    await runtime.stop('SIGKILL');
    rmSync(join(runtime.root, 'pods'), { recursive: true });
    await runtime.start();
    expect([await runtime.namespaces(), network.leases(), await network.pairs()]).toEqual([[], [], []]);
  });
});

import { existsSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseAddress } from '../wasi/sockets/address.ts';
import { buildTools } from '../test/support/tools.ts';
import { namespacePath } from './sandbox/network/namespace.ts';
import { NetworkedRuntime, TestNetwork, whyNoHostPorts, whyNoPodNetwork } from './test-network.ts';
import { until } from './test-runtime.ts';
import { ADDRINUSE, asks, tellsPeers } from './test-socket-guests.ts';

/** Pods of the class `wasm-shared` with addresses of their own: of one namespace, they are in one network namespace. */

const why = await whyNoPodNetwork();
const BUILD_TIMEOUT_MS = 10 * 60_000;
const PATIENCE_MS = 300_000;
const TIMEOUT = { timeout: 900_000 };

/** The port of every server here. */
const PORT = 8080;
const HOST_PORT = 18_080;
/** A Service's address. */
const SERVICE = '10.96.0.1';
/** The machine's own address among its pods. */
const GATEWAY = '10.123.0.1';
const LOOPBACK = '127.0.0.1';
const PORTMAP = { type: 'portmap', capabilities: { portMappings: true } };
const hasIptables = ['/usr/sbin/iptables', '/sbin/iptables', '/usr/bin/iptables'].some((path) => existsSync(path));

const bytesOf = (address: string): number[] => [...(parseAddress(address) ?? [])];

/** An address as a socket of both families shows it, in hexadecimal digits. */
function digits(address: string): string {
  const bytes = bytesOf(address);
  const all = bytes.length === 4 ? [...Array<number>(10).fill(0), 0xff, 0xff, ...bytes] : bytes;
  return all.map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

interface TestPod {
  readonly sandbox: string;
  /** Its server. */
  readonly container: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

interface PodOptions {
  readonly memory?: 'own' | 'shared';
  readonly hostPort?: number;
  readonly namespace?: string;
}

let pods = 0;

/** A pod whose server listens. */
async function pod(runtime: NetworkedRuntime, name: string, options: PodOptions = {}): Promise<TestPod> {
  const { memory, hostPort, namespace = 'shop' } = options;
  const unique = `${name}-${++pods}`;
  const portMappings =
    hostPort === undefined ? [] : [{ protocol: 'TCP' as const, containerPort: PORT, hostPort, hostIp: '' }];
  const metadata = { name: unique, uid: `uid-${unique}`, namespace, attempt: 0 };
  const sandbox = await runtime.sandbox({ metadata, portMappings }, 'wasm-shared');
  const { ip, additionalIps } = (await runtime.service.podSandboxStatus(sandbox)).network;
  const container = await runtime.container(sandbox, tellsPeers(name, PORT, memory));
  await until(async () => (await runtime.output(container)) === 'listening\n', PATIENCE_MS);
  return { sandbox, container, ipv4: ip, ipv6: additionalIps[0] ?? '' };
}

let asked = 0;

/** What one is told that asks an address from a container of a pod: 'name address', or the errno. */
async function ask(runtime: NetworkedRuntime, { sandbox }: TestPod, address: string, port = PORT): Promise<string> {
  const name = `client-${++asked}`;
  const change = { metadata: { name, attempt: 0 }, logPath: `${name}/0.log` };
  const container = await runtime.container(sandbox, asks(bytesOf(address), port), change);
  const { exitCode, output } = await runtime.result(container);
  return exitCode === 0 ? output.trim() : `errno ${exitCode}`;
}

/** What one is told that asks from the machine. */
const askFromMachine = async (network: TestNetwork, address: string, port = PORT): Promise<string> =>
  (await network.run('bash', '-c', `exec 3<>/dev/tcp/${address}/${port}; cat <&3`)).trim();

const nothingLeft = async (network: TestNetwork, runtime: NetworkedRuntime): Promise<void> => {
  expect([await runtime.namespaces(), network.leases(), await network.pairs()]).toEqual([[], [], []]);
};

describe.skipIf(why !== undefined)(`pods that share a host${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  beforeAll(async () => {
    await buildTools(['cniPlugins']);
  }, BUILD_TIMEOUT_MS);

  test('are in one network namespace, each with addresses, ports and a loopback of its own', TIMEOUT, async () => {
    await using network = await TestNetwork.create('dual', whyNoHostPorts() === undefined ? [PORTMAP] : []);
    await using runtime = await NetworkedRuntime.start(network);
    const one = await pod(runtime, 'one');
    const two = await pod(runtime, 'two', whyNoHostPorts() === undefined ? { hostPort: HOST_PORT } : {});
    const [name, ...others] = await runtime.namespaces();
    expect(others).toEqual([]);
    expect(runtime.hostPid(one.container)).toBe(runtime.hostPid(two.container));
    const inode = statSync(namespacePath(name ?? '')).ino;
    expect(readlinkSync(`/proc/${runtime.hostPid(one.container)}/ns/net`)).toBe(`net:[${inode}]`);
    expect(new Set([one.ipv4, two.ipv4, one.ipv6, two.ipv6]).size).toBe(4);

    // Each other, by either family, and what each sees of the other.
    expect(await ask(runtime, one, two.ipv4)).toBe(`two ${digits(one.ipv4)}`);
    expect(await ask(runtime, two, one.ipv4)).toBe(`one ${digits(two.ipv4)}`);
    expect(await ask(runtime, one, two.ipv6)).toBe(`two ${digits(one.ipv6)}`);
    // Themselves.
    expect(await ask(runtime, two, two.ipv4)).toBe(`two ${digits(two.ipv4)}`);
    expect(await ask(runtime, one, LOOPBACK)).toBe(`one ${digits('::1')}`);
    expect(await ask(runtime, two, LOOPBACK)).toBe(`two ${digits('::1')}`);
    expect(await ask(runtime, two, '::1')).toBe(`two ${digits('::1')}`);
    expect(await ask(runtime, two, '127.64.0.0')).toBe(`two ${digits('::1')}`);
    // From outside, and back.
    expect(await askFromMachine(network, one.ipv4)).toBe(`one ${digits(GATEWAY)}`);
    expect(await askFromMachine(network, two.ipv4)).toBe(`two ${digits(GATEWAY)}`);
    expect(await askFromMachine(network, two.ipv6)).toMatch(/^two fd000123/);
    if (whyNoHostPorts() === undefined) {
      expect(await askFromMachine(network, GATEWAY, HOST_PORT)).toMatch(/^two /);
    }
    if (hasIptables) {
      const rule = [
        '-d',
        SERVICE,
        '-p',
        'tcp',
        '--dport',
        '80',
        '-j',
        'DNAT',
        '--to-destination',
        `${two.ipv4}:${PORT}`,
      ];
      await network.run('iptables', '-t', 'nat', '-A', 'PREROUTING', ...rule);
      expect(await ask(runtime, one, SERVICE, 80)).toBe(`two ${digits(one.ipv4)}`);
    }
  });

  test('are so too where a container has a host process of its own, and with their commands', TIMEOUT, async () => {
    await using network = await TestNetwork.create('dual');
    await using runtime = await NetworkedRuntime.start(network);
    const one = await pod(runtime, 'one');
    const two = await pod(runtime, 'two', { memory: 'shared' });
    expect(runtime.hostPid(one.container)).not.toBe(runtime.hostPid(two.container));
    expect(await runtime.namespaces()).toHaveLength(1);
    expect(await ask(runtime, one, two.ipv4)).toBe(`two ${digits(one.ipv4)}`);
    expect(await ask(runtime, two, LOOPBACK)).toBe(`two ${digits('::1')}`);
    // The server once more, as a command: it finds the port taken, by its own pod.
    for (const { container } of [one, two]) {
      const { exitCode } = await runtime.service.execSync(container, ['main'], 300);
      expect(exitCode).toBe(ADDRINUSE);
    }
  });

  test('go one by one, and their network namespace goes with the last', TIMEOUT, async () => {
    await using network = await TestNetwork.create('dual');
    await using runtime = await NetworkedRuntime.start(network);
    const before = runtime.holdings().processes;
    const one = await pod(runtime, 'one');
    const two = await pod(runtime, 'two');
    await runtime.service.removePodSandbox(one.sandbox);
    expect(network.leases()).toHaveLength(2);
    expect(await askFromMachine(network, two.ipv4)).toBe(`two ${digits(GATEWAY)}`);
    // The place is another's now, and nothing of the first is left there.
    const three = await pod(runtime, 'three');
    expect(await runtime.namespaces()).toHaveLength(1);
    expect(await ask(runtime, two, three.ipv4)).toBe(`three ${digits(two.ipv4)}`);
    // All at once, and one that nothing was ever started in.
    const idle = await runtime.sandbox({}, 'wasm-shared');
    const all = [two.sandbox, three.sandbox, idle];
    await Promise.all(all.map((sandbox) => runtime.service.removePodSandbox(sandbox)));
    await nothingLeft(network, runtime);
    await until(() => runtime.holdings().processes === before, PATIENCE_MS);
  });

  test('are apart from those of other namespaces, and from more of their own than a host takes', TIMEOUT, async () => {
    await using network = await TestNetwork.create();
    await using runtime = await NetworkedRuntime.start(network);
    await runtime.stop('SIGTERM');
    runtime.maxContainersPerHost = 2;
    await runtime.start();
    const make = (namespace: string, name: string) => {
      const metadata = { name, uid: `uid-${name}`, namespace, attempt: 0 };
      return runtime.sandbox({ metadata }, 'wasm-shared');
    };
    await make('shop', 'a');
    expect(await runtime.namespaces()).toHaveLength(1);
    await make('bank', 'b');
    expect(await runtime.namespaces()).toHaveLength(2);
    await make('shop', 'c');
    expect(await runtime.namespaces()).toHaveLength(2);
    await make('shop', 'd');
    expect(await runtime.namespaces()).toHaveLength(3);
  });

  test('are found again by a supervisor whose predecessor was killed, which adds others to them', TIMEOUT, async () => {
    await using network = await TestNetwork.create('dual');
    await using runtime = await NetworkedRuntime.start(network);
    const one = await pod(runtime, 'one');
    const two = await pod(runtime, 'two');
    await runtime.stop('SIGKILL');
    await runtime.start();
    const { state, network: told } = await runtime.service.podSandboxStatus(two.sandbox);
    expect([state, told.ip, told.additionalIps]).toEqual(['SANDBOX_READY', two.ipv4, [two.ipv6]]);
    expect(await askFromMachine(network, two.ipv4)).toBe(`two ${digits(GATEWAY)}`);
    const three = await pod(runtime, 'three');
    expect(await runtime.namespaces()).toHaveLength(1);
    expect(await ask(runtime, three, one.ipv4)).toBe(`one ${digits(three.ipv4)}`);
    expect(runtime.log()).not.toMatch(/"level":"(warn|error)","message":"a pod sandbox's network/);

    // The records of one are lost: what it had is given back, and the others keep theirs.
    await runtime.service.stopContainer(one.container, 0);
    await runtime.stop('SIGKILL');
    rmSync(dirname(runtime.file(one.sandbox, 'sandbox.json')), { recursive: true });
    await runtime.start();
    expect(network.leases()).toHaveLength(4);
    expect(await askFromMachine(network, three.ipv4)).toBe(`three ${digits(GATEWAY)}`);

    // All of them are.
    await runtime.service.stopContainer(two.container, 0);
    await runtime.service.stopContainer(three.container, 0);
    await runtime.stop('SIGKILL');
    rmSync(dirname(runtime.file(two.sandbox, 'sandbox.json')), { recursive: true });
    rmSync(dirname(runtime.file(three.sandbox, 'sandbox.json')), { recursive: true });
    await runtime.start();
    await nothingLeft(network, runtime);
  });
});

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { silentLogger } from '../base/log.ts';
import { buildTools, whyNoGo } from '../test/support/tools.ts';
import { connectRuntime } from './client.ts';
import {
  createNamespace,
  insideNamespace,
  listNamespaces,
  missingMeans,
  namespacePath,
  removeNamespace,
} from './sandbox/network/namespace.ts';
import { mapOf } from './sandbox/linux/users.ts';
import { namespacePrefix } from './sandbox/network/pod-networks.ts';
import type { ContainerConfig, PodSandboxConfig, RuntimeService, UserIds } from './service.ts';
import { pathsBelow, testFolder } from './test-folder.ts';
import { assemble, until } from './test-runtime.ts';

/** Why tests of the pod network cannot run here; undefined: they can. */
export const whyNoPodNetwork = async (): Promise<string | undefined> =>
  missingMeans() ?? (hasProgram('ip') ? await whyNoGo() : 'ip (iproute2) is not installed');

/** Why there are no hostPorts here, for which the plugin portmap runs one of two programs; undefined: there are. */
export const whyNoHostPorts = (): string | undefined =>
  hasProgram('iptables') || hasProgram('nft') ? undefined : 'neither iptables nor nft is installed';

const hasProgram = (name: string): boolean =>
  ['/usr/sbin', '/sbin', '/usr/bin', '/bin'].some((folder) => existsSync(join(folder, name)));

const SUBNETS = {
  ipv4: [[{ subnet: '10.123.0.0/16' }]],
  dual: [[{ subnet: '10.123.0.0/16' }], [{ subnet: 'fd00:123::/64' }]],
};

/**
 * A network for tests, in a namespace that stands for a machine: the bridge that pods hang on is in there, and nothing
 * of the real machine's network is touched.
 */
export class TestNetwork implements AsyncDisposable {
  readonly folder: string;
  readonly confDir: string;
  /** The real plugins, to which a test may add. */
  readonly binDir: string;
  /** Path of the namespace that stands for the machine. */
  readonly machine: string;
  readonly #folder = testFolder();

  private constructor(plugins: string) {
    this.folder = this.#folder.path;
    this.binDir = join(this.folder, 'bin');
    mkdirSync(this.binDir);
    for (const name of readdirSync(plugins)) symlinkSync(join(plugins, name), join(this.binDir, name));
    this.confDir = join(this.folder, 'net.d');
    this.machine = namespacePath(`wl-test-${randomBytes(4).toString('hex')}`);
  }

  /**
   * Builds the plugins first where the cache has none: a minute.
   * @param families of the pods' addresses
   */
  static async create(families: keyof typeof SUBNETS = 'ipv4', more: readonly object[] = []): Promise<TestNetwork> {
    const { cniPlugins } = await buildTools(['cniPlugins']);
    const network = new TestNetwork(cniPlugins);
    mkdirSync(network.confDir);
    network.configure(families, more);
    await createNamespace(network.machine);
    await network.run('ip', 'link', 'set', 'lo', 'up');
    // A new address of IPv6 is not used for a second, until it is known to be nobody else's: whoever connects meanwhile
    // does so from the loopback's, and waits for an answer that cannot come.
    const setting = '/proc/sys/net/ipv6/conf/default/accept_dad';
    await network.run('sh', '-c', `test ! -e ${setting} || echo 0 > ${setting}`);
    return network;
  }

  configure(families: keyof typeof SUBNETS, more: readonly object[] = []): void {
    const routes = families === 'dual' ? [{ dst: '0.0.0.0/0' }, { dst: '::/0' }] : [{ dst: '0.0.0.0/0' }];
    const ipam = { type: 'host-local', ranges: SUBNETS[families], routes, dataDir: join(this.folder, 'ipam') };
    const bridge = { type: 'bridge', bridge: 'wl0', isGateway: true, ipam };
    const list = { cniVersion: '1.0.0', name: 'pods', plugins: [bridge, ...more] };
    writeFileSync(join(this.confDir, '10-pods.conflist'), JSON.stringify(list));
  }

  /** Runs a command on the machine. @throws Error when it fails */
  async run(command: string, ...args: string[]): Promise<string> {
    const child = spawn(...insideNamespace(this.machine, command, args), { stdio: ['ignore', 'pipe', 'inherit'] });
    const output: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}`);
    return Buffer.concat(output).toString();
  }

  /** Addresses that the plugins have given out. */
  leases(): string[] {
    const folder = join(this.folder, 'ipam', 'pods');
    return existsSync(folder) ? readdirSync(folder).filter((name) => /^[0-9a-f]+[.:]/.test(name)) : [];
  }

  /** Interfaces of the machine that lead to pods. */
  async pairs(): Promise<string[]> {
    return (await this.run('ip', '-o', 'link', 'show', 'type', 'veth')).split('\n').filter((line) => line !== '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeNamespace(this.machine);
    this.#folder[Symbol.dispose]();
  }
}

/** On a machine that has much else to do. */
const START_TIMEOUT_MS = 300_000;

interface Holdings {
  readonly processes: number;
  /** Open in the supervisor, by kind. */
  readonly descriptors: Readonly<Record<string, number>>;
  /** Of userIds, that processes have. */
  readonly idRanges: number;
  /** Below its root, in the supervisor's namespace: in a host's own they end with it. */
  readonly mounts: readonly string[];
  /** Sockets too. */
  readonly files: readonly string[];
}

/** A supervisor on the machine of a TestNetwork. */
export class NetworkedRuntime implements AsyncDisposable {
  readonly root: string;
  /** Counts from the next start of the supervisor on. */
  maxContainersPerHost = 250;
  /** The same. */
  userIds: UserIds | undefined;
  readonly #network: TestNetwork;
  #child: ChildProcess | undefined;
  #service: RuntimeService | undefined;
  #sandboxes = 0;

  private constructor(network: TestNetwork) {
    this.#network = network;
    this.root = join(network.folder, 'r');
    mkdirSync(this.root);
  }

  static async start(network: TestNetwork, userIds?: UserIds): Promise<NetworkedRuntime> {
    const runtime = new NetworkedRuntime(network);
    runtime.userIds = userIds;
    await runtime.start();
    return runtime;
  }

  get service(): RuntimeService {
    if (!this.#service) throw new Error('the supervisor does not run');
    return this.#service;
  }

  /** Names of the namespaces of this runtime's sandboxes. */
  namespaces(): Promise<string[]> {
    return listNamespaces(namespacePrefix(this.root));
  }

  /** What is there of it on the machine. */
  holdings(): Holdings {
    const descriptors: Record<string, number> = {};
    for (const link of linksIn(`/proc/${this.#child?.pid}/fd`)) {
      // 'socket:[123]', 'anon_inode:[eventpoll]', '/path'
      const kind = link.replace(/\[\d+\]$/, '');
      descriptors[kind] = (descriptors[kind] ?? 0) + 1;
    }
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    // Hosts work in a root folder of their own; what they write on stderr goes into this one's.
    const processes = pids.filter((pid) => linkAt(`/proc/${pid}/fd/2`).startsWith(`${this.root}/`)).length;
    const files = pathsBelow(this.root);
    const mounts = readFileSync(`/proc/${this.#child?.pid}/mountinfo`, 'utf8').split('\n');
    const { first = 0, count = 0 } = this.userIds ?? {};
    const idRanges = new Set(pids.map(firstIdOf).filter((id) => id >= first && id < first + count));
    // The one host that waits is another one each time.
    return {
      processes,
      descriptors,
      idRanges: idRanges.size,
      mounts: mounts.filter((line) => line.includes(` ${this.root}/`)),
      // Places to mount on, as many as containers of one host had at once, stay: a hundred are too many.
      files: files
        .filter((path) => !/^run\/root\/\w+\/[df]\d\d?$/.test(path))
        .map((path) => path.replace(/[0-9a-f]{16}\.(sock|stderr)$/, '$1'))
        .toSorted(),
    };
  }

  /** What it has logged. */
  log(): string {
    return readFileSync(join(this.root, 'log'), 'utf8');
  }

  /** Starts the supervisor (again). */
  async start(): Promise<void> {
    const { machine, confDir, binDir } = this.#network;
    const socket = join(this.root, 'runtime.sock');
    const handlers = {
      wasm: { engine: 'v8', isolation: 'process' },
      'wasm-shared': { engine: 'v8', isolation: 'shared' },
      'wasm-interpreter': { engine: 'interpreter', isolation: 'process' },
    } as const;
    const { maxContainersPerHost, userIds } = this;
    const options = { root: this.root, socket, spawn: false, handlers, defaultHandler: 'wasm', maxContainersPerHost };
    const args = [
      join(import.meta.dirname, 'supervisor/main.ts'),
      ...['--root', this.root, '--socket', socket, '--default-handler', 'wasm', '--handlers', JSON.stringify(handlers)],
      ...['--cni-conf-dir', confDir, '--cni-bin-dir', binDir],
      ...(userIds ? ['--user-ids', JSON.stringify(userIds)] : []),
    ];
    const log = openSync(join(this.root, 'log'), 'a');
    this.#child = spawn(...insideNamespace(machine, process.execPath, args), { stdio: ['ignore', log, log] });
    closeSync(log);
    const cni = { confDir, binDir };
    const ids = userIds ? { userIds } : {};
    await until(async () => {
      this.#service = await connectRuntime({ ...options, ...ids, cni, logger: silentLogger }).catch(() => undefined);
      if (this.#child?.exitCode !== null) throw new Error(this.log());
      return this.#service !== undefined;
    }, START_TIMEOUT_MS);
  }

  /** Ends the supervisor, not what it has started. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    await this.#service?.[Symbol.asyncDispose]();
    this.#service = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** Makes a sandbox. */
  async sandbox(change: Partial<PodSandboxConfig> = {}, handler = 'wasm'): Promise<string> {
    const name = `pod-${++this.#sandboxes}`;
    const config: PodSandboxConfig = {
      metadata: { name, uid: `uid-${name}`, namespace: 'default', attempt: 0 },
      hostname: name,
      logDirectory: join(this.#network.folder, 'logs', name),
      portMappings: [],
      hostNetwork: false,
      labels: {},
      annotations: {},
      ...change,
    };
    return await this.service.runPodSandbox(config, handler);
  }

  /** Starts a container in a sandbox. */
  async container(sandbox: string, wat: string, change: Partial<ContainerConfig> = {}): Promise<string> {
    const module = join(this.#network.folder, `${randomBytes(4).toString('hex')}.wasm`);
    writeFileSync(module, await assemble(wat));
    const id = await this.service.createContainer(sandbox, {
      metadata: { name: 'main', attempt: 0 },
      image: { userSpecifiedImage: 'test:1', imageRef: 'sha256:0', module },
      args: ['main'],
      workingDir: '',
      envs: [],
      mounts: [],
      labels: {},
      annotations: {},
      logPath: 'main/0.log',
      logLimits: { maxSize: 1024 * 1024, maxFiles: 2 },
      stdin: false,
      stdinOnce: false,
      tty: false,
      resources: { cpuPeriod: 0, cpuQuota: 0, cpuShares: 0, memoryLimitInBytes: 0 },
      ...change,
    });
    await this.service.startContainer(id);
    return id;
  }

  /** The process that runs a container. */
  hostPid(container: string): number {
    const state = readFileSync(this.file(container, 'state.json'), 'utf8');
    return (JSON.parse(state) as { body: { host: { pid: number } } }).body.host.pid;
  }

  /** Waits until a container has ended. @returns its exit code and what it wrote */
  async result(container: string): Promise<{ exitCode: number | undefined; output: string }> {
    await until(
      async () => (await this.service.containerStatus(container)).state === 'CONTAINER_EXITED',
      START_TIMEOUT_MS,
    );
    const { exitCode } = await this.service.containerStatus(container);
    return { exitCode, output: await this.output(container) };
  }

  /** What a container wrote so far. */
  async output(container: string): Promise<string> {
    const { logPath } = await this.service.containerStatus(container);
    return readFileSync(logPath, 'utf8').replace(/^\S+ (stdout|stderr) [FP] /gm, '');
  }

  /** A file of a sandbox: found by its id. */
  file(sandbox: string, name: string): string {
    const path = join(sandbox, name);
    const found = pathsBelow(this.root).find((each) => each.endsWith(path));
    return join(this.root, found ?? path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#service) await this.start();
    for (const { id } of await this.service.listPodSandbox()) await this.service.removePodSandbox(id);
    await this.stop('SIGTERM');
  }
}

/** What is user 0 to a process; -1: it has ended. */
function firstIdOf(pid: string): number {
  try {
    return mapOf(Number(pid))?.first ?? -1;
  } catch {
    return -1;
  }
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // The process has ended, or the descriptor was closed.
    return '';
  }
}

const linksIn = (folder: string): string[] => readdirSync(folder).map((name) => linkAt(join(folder, name)));

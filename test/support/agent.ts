/**
 * A wasmlet agent for tests: a process of its own, as users have it, with its state in a temporary folder. It can be
 * killed and started again; what it leaves running (its supervisor and hosts) ends with the object.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, closeSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { listNamespaces, namespacePath, removeNamespace } from '../../runtime/sandbox/network/namespace.ts';
import { namespacePrefix } from '../../runtime/sandbox/network/pod-networks.ts';
import { removeControlGroups } from './cgroups.ts';
import { runOrThrow } from './command.ts';

export const PROJECT = join(import.meta.dirname, '../..');

export interface TestAgentOptions {
  readonly nodeName: string;
  /** The node's own credentials; or give bootstrapKubeconfig in `config`. */
  readonly kubeconfig?: string;
  /** Configuration beyond what the fixture sets, by the names of docs/reference/configuration.md. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Configuration that depends on the agent's folders; `config` stands before it. */
  readonly configFor?: (agent: TestAgent) => Promise<Readonly<Record<string, unknown>>>;
  /** The program, for tests of the packed package; default: the agent's TypeScript. */
  readonly command?: readonly string[];
  /** `cri` serves the runtime to a kubelet instead of being a node. */
  readonly subcommand?: 'agent' | 'cri';
  /** Done before the first start, for what an agent finds in its folder. */
  readonly prepare?: (agent: TestAgent) => Promise<void>;
  /** Environment of the agent beyond the test's own. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A process that belongs to an agent, as /proc shows it. */
interface OwnedProcess {
  readonly pid: number;
  readonly command: string;
}

/** How much of its log tells why an agent has ended. */
const LAST_LINES = 30;

/** Whether what /proc/PID/stat says is a process that is neither gone nor a zombie. */
const isRunning = (stat: string): boolean => stat !== '' && !/\) [ZX] /.test(stat);

/** Without the variables that are options: those of the tests are not the agent's. */
export function inheritedEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WASMLET_')));
}

export class TestAgent implements AsyncDisposable {
  readonly nodeName: string;
  readonly folder: string;
  readonly rootDir: string;
  readonly podLogsDir: string;
  readonly containerLogsDir: string;
  /** A control group of its own, for its pods. */
  readonly cgroupRoot: string;
  readonly #options: TestAgentOptions;
  #configFor: Readonly<Record<string, unknown>> = {};
  #child: ChildProcess | undefined;

  private constructor(options: TestAgentOptions, folder: string) {
    this.#options = options;
    this.nodeName = options.nodeName;
    this.folder = folder;
    this.rootDir = join(folder, 'root');
    this.podLogsDir = join(folder, 'log/pods');
    this.containerLogsDir = join(folder, 'log/containers');
    this.cgroupRoot = `/${basename(folder)}`;
  }

  /** Starts an agent; resolves once its process runs (wait for the Node's Ready condition for more). */
  static async start(options: TestAgentOptions): Promise<TestAgent> {
    const agent = new TestAgent(options, await mkdtemp(join(tmpdir(), 'wasmlet-')));
    agent.#configFor = (await options.configFor?.(agent)) ?? {};
    await options.prepare?.(agent);
    await agent.start();
    return agent;
  }

  /** Starts the process (again), with other configuration if given. */
  async start(change: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const config = {
      nodeName: this.nodeName,
      rootDir: this.rootDir,
      podLogsDir: this.podLogsDir,
      containerLogsDir: this.containerLogsDir,
      cgroupRoot: this.cgroupRoot,
      ...(this.#options.kubeconfig === undefined ? {} : { kubeconfig: this.#options.kubeconfig }),
      nodeIP: ['127.0.0.1'],
      address: '127.0.0.1',
      port: 0,
      clusterDNS: ['10.0.0.10'],
      clusterDomain: 'cluster.local',
      logFormat: 'human',
      logLevel: 'debug',
      ...this.#configFor,
      ...this.#options.config,
      ...change,
    };
    const file = join(this.folder, 'config.json');
    await writeFile(file, JSON.stringify(config));
    mkdirSync(this.rootDir, { recursive: true });
    const log = openSync(this.logFile, 'a');
    const [program, ...args] = this.#options.command ?? [process.execPath, join(PROJECT, 'agent/cli.ts')];
    this.#child = spawn(program!, [...args, this.#options.subcommand ?? 'agent', '--config', file], {
      stdio: ['ignore', log, log],
      env: { ...inheritedEnvironment(), ...this.#options.env },
      cwd: this.folder,
    });
    closeSync(log);
    await once(this.#child, 'spawn');
  }

  /** What the agent printed, over all its lives. */
  get logFile(): string {
    return join(this.folder, 'agent.log');
  }

  /** What it printed last. */
  async lastLines(): Promise<string> {
    return (await readFile(this.logFile, 'utf8')).trimEnd().split('\n').slice(-LAST_LINES).join('\n');
  }

  /** Whether the process runs. */
  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the agent was not started');
    return pid;
  }

  /**
   * Sends a signal to the agent's process alone and waits for its end.
   * @returns its exit code or signal
   * @throws Error, with what it printed last, when it had ended by itself
   */
  async kill(signal: NodeJS.Signals): Promise<number | NodeJS.Signals> {
    const child = this.#child;
    if (!child || !this.isRunning) {
      const how = child?.exitCode ?? child?.signalCode ?? 'never started';
      throw new Error(`the agent had ended (${how}):\n${await this.lastLines()}`);
    }
    const gone = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    child.kill(signal);
    const [code, bySignal] = await gone;
    return code ?? bySignal ?? 0;
  }

  async supervisorPid(): Promise<number> {
    const found = (await this.#processes()).find(({ command }) => /supervisor/.test(command));
    if (!found) throw new Error('no supervisor runs');
    return found.pid;
  }

  /** The host processes, warm ones included. */
  async hostPids(): Promise<number[]> {
    return (await this.#processes()).filter(({ command }) => !/supervisor/.test(command)).map(({ pid }) => pid);
  }

  /** The host processes of a pod's containers: their stderr is in the pod's folder. */
  async hostPidsOf(pod: { metadata?: { namespace?: string; uid?: string } }): Promise<number[]> {
    const { namespace = '', uid = '' } = pod.metadata ?? {};
    const folder = join(this.rootDir, 'pods', namespace, uid);
    const found: number[] = [];
    for (const pid of await this.hostPids()) {
      const stderr = await readlink(`/proc/${pid}/fd/2`).catch(() => '');
      if (stderr.startsWith(`${folder}/`)) found.push(pid);
    }
    return found;
  }

  /** Waits until the agent has printed what matches, in this life of its process or an earlier one. */
  async waitForLog(pattern: RegExp): Promise<void> {
    while (!pattern.test(await readFile(this.logFile, 'utf8'))) await delay(10);
  }

  /** Waits until a process that is not our child has ended. */
  async waitForEnd(pid: number): Promise<void> {
    while (isRunning(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''))) await delay(10);
  }

  /** Every process of this agent's state folder: its supervisor works there, and its hosts have their stderr there. */
  async #processes(): Promise<OwnedProcess[]> {
    const found: OwnedProcess[] = [];
    for (const entry of await readdir('/proc')) {
      if (!/^\d+$/.test(entry) || Number(entry) === this.#child?.pid) continue;
      const links = ['cwd', 'fd/2'].map((link) => readlink(`/proc/${entry}/${link}`).catch(() => ''));
      if (!(await Promise.all(links)).some((path) => path.startsWith(this.rootDir))) continue;
      const command = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
      found.push({ pid: Number(entry), command: command.replaceAll('\0', ' ') });
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) await this.kill('SIGKILL');
    for (const { pid } of (await this.#processes()).sort(
      (a, b) => Number(/supervisor/.test(b.command)) - Number(/supervisor/.test(a.command)),
    )) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        continue; // gone meanwhile
      }
      await this.waitForEnd(pid);
    }
    await this.#unmountAll();
    for (const name of await listNamespaces(namespacePrefix(this.rootDir))) await removeNamespace(namespacePath(name));
    await removeControlGroups(this.cgroupRoot);
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  /** What the pods that were still there had mounted. */
  async #unmountAll(): Promise<void> {
    const points = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
    for (const point of points) if (point.startsWith(`${this.folder}/`)) await runOrThrow('umount', [point]);
  }
}

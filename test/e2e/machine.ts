import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { insideNamespace } from '../../runtime/sandbox/network/namespace.ts';
import type { TestNetwork } from '../../runtime/test-network.ts';
import { PROJECT } from '../support/agent.ts';
import { removeControlGroups } from '../support/cgroups.ts';
import { environment, useCluster } from '../support/fixture.ts';
import { freePort } from '../support/ports.ts';
import { relay } from '../support/relay.ts';
import { startScene, type Scene } from './scene.ts';

export interface MachineOptions {
  /** Configuration of the agent beyond the network's. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** The agent's program; default: its TypeScript. */
  readonly agent?: readonly string[];
  /**
   * Has the agent and all that it starts live in a mount namespace of their own, with a boot id of their own: it goes
   * with the last of them, and with it what they have mounted and the network namespaces that they have made, as at a
   * reboot. Needs root.
   */
  readonly canReboot?: boolean;
}

const SOURCE = [process.execPath, join(PROJECT, 'agent/cli.ts')];

/** Mounts what a boot has of its own, then becomes the program: $1 file with the boot's id, $2… program. */
const BOOT = `set -e
mount -t tmpfs tmpfs /run/netns
mount --bind "$1" /proc/sys/kernel/random/boot_id
shift
exec "$@"`;

/**
 * An agent and its supervisor on a machine of a TestNetwork: a network namespace that reaches the cluster, and is reached
 * by it, through relays.
 */
export class Machine implements AsyncDisposable {
  readonly network: TestNetwork;
  readonly #stack = new AsyncDisposableStack();
  #scene: Scene | undefined;
  #nodePort = 0;

  private constructor(network: TestNetwork) {
    this.network = this.#stack.use(network);
  }

  /** @param network is disposed of with the machine */
  static async start(network: TestNetwork, options: MachineOptions = {}): Promise<Machine> {
    const machine = new Machine(network);
    try {
      await machine.#start(options);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  get scene(): Scene {
    if (!this.#scene) throw new Error('the machine is not started');
    return this.#scene;
  }

  /** The agent's own port. */
  get nodePort(): number {
    return this.#nodePort;
  }

  async #start({ config = {}, canReboot = false, agent = SOURCE }: MachineOptions): Promise<void> {
    const { network } = this;
    const cluster = useCluster();
    const nodePort = await freePort();
    this.#nodePort = nodePort;
    const socket = (port: number) => `unix:${join(network.folder, `${port}.sock`)}`;
    const outwards = [new URL(environment().cluster.server), new URL(`http://${cluster.registry}`)].map(({ port }) =>
      Number(port),
    );
    for (const port of outwards) this.#stack.use(await relay(socket(port), `tcp:${port}`));
    this.#stack.use(await relay(`tcp:${nodePort}`, socket(nodePort)));
    await this.runProgram('test/support/relay.ts', [
      ...outwards.map((port) => `tcp:${port}=${socket(port)}`),
      `${socket(nodePort)}=tcp:${nodePort}`,
    ]);
    await this.#newBootId();
    const boot = ['unshare', '--mount', '--', 'sh', '-c', BOOT, 'boot', this.#bootIdFile];
    const [program = '', ...args] = canReboot ? [...boot, ...agent] : agent;
    const [inside, insideArgs] = insideNamespace(network.machine, program, args);
    const settings = { port: nodePort, cniConfDir: network.confDir, cniBinDir: network.binDir, ...config };
    this.#scene = this.#stack.use(await startScene(cluster, settings, [inside, ...insideArgs]));
  }

  get #bootIdFile(): string {
    return join(this.network.folder, 'boot_id');
  }

  /** @returns what the next boot is known by */
  async #newBootId(): Promise<string> {
    const id = randomUUID();
    await writeFile(this.#bootIdFile, `${id}\n`);
    return id;
  }

  /**
   * A power cut: all processes end at once, and with them what a boot has. What is on disk stays.
   * @param whileDown done before the machine is started again
   * @returns the id of the new boot
   */
  async reboot(whileDown: () => Promise<void>): Promise<string> {
    const { agent } = this.scene;
    const supervisor = await agent.supervisorPid();
    const hosts = await agent.hostPids();
    await agent.kill('SIGKILL');
    // First who would note how the others end.
    for (const pid of [supervisor, ...hosts]) process.kill(pid, 'SIGKILL');
    for (const pid of [supervisor, ...hosts]) await agent.waitForEnd(pid);
    await removeControlGroups(agent.cgroupRoot);
    const id = await this.#newBootId();
    await whileDown();
    await agent.start();
    return id;
  }

  /**
   * Runs a program of the tests on the machine, until the machine is disposed of. Resolves when it has said something.
   * @param source path in the repository
   */
  async runProgram(source: string, args: readonly string[]): Promise<void> {
    const command = insideNamespace(this.network.machine, process.execPath, [join(PROJECT, source), ...args]);
    const child: ChildProcess = spawn(...command, { stdio: ['ignore', 'pipe', 'inherit'] });
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

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { cgroupRootOf } from '../../agent/local/up.ts';
import { inheritedEnvironment, PROJECT } from './agent.ts';
import { removeControlGroups } from './cgroups.ts';
import { runOrThrow } from './command.ts';
import { buildGuest, type GuestName } from './guests.ts';

const CLI = join(PROJECT, 'agent/cli.ts');
const FROM_SOURCE = [process.execPath, CLI];

/** `wasmlet up` on a folder that outlives its process, and goes when it is disposed of. */
export class Up implements AsyncDisposable {
  readonly root: string;
  readonly #port: number;
  readonly #program: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(root: string, port: number, program: readonly string[]) {
    this.root = root;
    this.#port = port;
    this.#program = program;
  }

  /**
   * One that is not started yet.
   * @param port of the API server; 0: another one after each start
   * @param program the command line of wasmlet
   */
  static async create(port: number, program: readonly string[] = FROM_SOURCE): Promise<Up> {
    return new Up(await mkdtemp(join(tmpdir(), 'wasmlet-up-')), port, program);
  }

  static async start(): Promise<Up> {
    const up = await Up.create(0);
    await up.start();
    return up;
  }

  /** Starts the process; it may answer, or may have ended, whenever it likes. */
  launch(): ChildProcess & { readonly stdout: Readable } {
    const [command = '', ...first] = this.#program;
    const args = [...first, 'up', '--root', this.root, '--port', String(this.#port), '--web-port', '0'];
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: inheritedEnvironment() });
    this.#child = child;
    return child;
  }

  /** Resolves once it says that its node is Ready. */
  async start(): Promise<void> {
    const child = this.launch();
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.includes('is Ready')) {
        child.stdout.resume();
        return;
      }
    }
    throw new Error('wasmlet up ended before its node was Ready');
  }

  get kubeconfig(): string {
    return join(this.root, 'api/kubeconfig');
  }

  /** The link to the page for browsers that works now. */
  async link(): Promise<string> {
    return (await readFile(join(this.root, 'web-link'), 'utf8')).trim();
  }

  /** @returns how the process ended */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return null;
    const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    child.kill(signal);
    const [code, by] = await ended;
    return code ?? by;
  }

  /** Puts a guest into the node's store, through the running process. */
  async import(guest: GuestName, name: string): Promise<void> {
    const args = [CLI, 'images', 'import', '--root-dir', join(this.root, 'node'), await buildGuest(guest), name];
    await runOrThrow(process.execPath, args, { env: inheritedEnvironment() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGTERM');
    await removeControlGroups(cgroupRootOf(this.root));
    await rm(this.root, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identityOf, isAlive, signalProcess, type ProcessIdentity } from '../../base/process.ts';
import type { TestAgent } from '../support/agent.ts';
import type { SeededRandom } from '../support/random.ts';

type Victim = 'agent' | 'supervisor' | 'host';

/** Each of them alone, and any two at once. */
const CHOICES: readonly (readonly Victim[])[] = [
  ['agent'],
  ['supervisor'],
  ['host'],
  ['agent', 'supervisor'],
  ['agent', 'host'],
  ['supervisor', 'host'],
  ['host', 'host'],
];

/** How long a node may take until it has a supervisor again. */
const SUPERVISOR_TIMEOUT_MS = 60_000;
const POLL_MS = 20;

/** `<root>/pods/<namespace>/<uid>/runtime/<sandbox>/containers/<id>/state.json` */
const STATE = /\/containers\/([0-9a-f]{64})\/state\.json$/;

const keyOf = ({ pid, startTime }: Pick<ProcessIdentity, 'pid' | 'startTime'>): string => `${pid}@${startTime}`;

/** Ends processes of a node by `kill -9`, and remembers whose they were. */
export class Killer {
  readonly #agent: TestAgent;
  readonly #random: SeededRandom;
  readonly #killedHosts = new Set<string>();
  readonly #killedContainers = new Set<string>();
  /** How often each choice was made. */
  readonly counts = new Map<string, number>();

  constructor(agent: TestAgent, random: SeededRandom) {
    this.#agent = agent;
    this.#random = random;
  }

  /** Whether this has ended a host of a container. */
  async hasKilled(containerId: string): Promise<boolean> {
    if (!this.#killedContainers.has(containerId)) await this.#attribute();
    return this.#killedContainers.has(containerId);
  }

  /** Kills what chance says, and starts the agent anew where it was that. */
  async strike(): Promise<void> {
    const choice = this.#random.pick(CHOICES);
    const name = choice.join(' and ');
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    const supervisor = choice.includes('supervisor') ? await this.#supervisor() : undefined;
    const hosts = await this.#pickHosts(choice.filter((victim) => victim === 'host').length);
    const agentIsGone = choice.includes('agent') ? this.#agent.kill('SIGKILL') : undefined;
    for (const host of hosts) if (signalProcess(host, 'SIGKILL')) this.#killedHosts.add(keyOf(host));
    if (supervisor) signalProcess(supervisor, 'SIGKILL');
    await agentIsGone;
    await this.#attribute();
    if (agentIsGone) await this.#agent.start();
  }

  async #supervisor(): Promise<ProcessIdentity> {
    const deadline = Date.now() + SUPERVISOR_TIMEOUT_MS;
    for (;;) {
      try {
        const identity = identityOf(await this.#agent.supervisorPid());
        if (isAlive(identity)) return identity;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
      await delay(POLL_MS);
    }
  }

  async #pickHosts(count: number): Promise<ProcessIdentity[]> {
    const pids = await this.#agent.hostPids();
    const picked: ProcessIdentity[] = [];
    while (picked.length < count && pids.length > 0) {
      const [pid] = pids.splice(this.#random.between(0, pids.length - 1), 1);
      try {
        if (pid !== undefined) picked.push(identityOf(pid));
      } catch {
        // It has ended by itself.
      }
    }
    return picked;
  }

  /**
   * Notes to which containers the hosts belonged that were killed, while their records are there still. One that was
   * killed in the moment when it was given a container has its record a moment later.
   */
  async #attribute(): Promise<void> {
    const pods = join(this.#agent.rootDir, 'pods');
    const names = await readdir(pods, { recursive: true }).catch(() => []);
    for (const name of names) {
      const id = STATE.exec(name)?.[1];
      if (id === undefined || this.#killedContainers.has(id)) continue;
      const host = hostOf(await readFile(join(pods, name), 'utf8').catch(() => ''));
      if (host && this.#killedHosts.has(keyOf(host))) this.#killedContainers.add(id);
    }
  }
}

function hostOf(record: string): Pick<ProcessIdentity, 'pid' | 'startTime'> | undefined {
  if (record === '') return undefined;
  return (JSON.parse(record) as { body: { host: ProcessIdentity } }).body.host;
}

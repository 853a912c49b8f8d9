import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pod, Service } from '../../agent/kube/types.ts';
import type { Machine } from './machine.ts';

/** Does what kube-proxy does: has a port of a Service's address lead to its one pod. Needs iptables. */
export async function leadToPod(machine: Machine, { spec }: Service, pod: Pod): Promise<void> {
  const nat = (...rule: string[]) => machine.network.run('iptables', '-t', 'nat', '-A', ...rule);
  const [port] = spec?.ports ?? [];
  const targetPort = portOf(port?.targetPort ?? port?.port, pod);
  const match = ['-d', spec?.clusterIP ?? '', '-p', 'tcp', '--dport', String(port?.port)];
  await nat('PREROUTING', ...match, '-j', 'DNAT', '--to-destination', `${pod.status?.podIP}:${targetPort}`);
  // Both are on one bridge: the answer has to come back this way too.
  await nat('POSTROUTING', '-m', 'conntrack', '--ctstate', 'DNAT', '-j', 'MASQUERADE');
}

/** A target port may be the name of a container's. */
function portOf(target: number | string | undefined, { spec }: Pod): number | string | undefined {
  const ports = spec?.containers.flatMap((container) => container.ports ?? []);
  return ports?.find(({ name }) => name === target)?.containerPort ?? target;
}

/** The cluster's name server, on the machine: answers what `set` was given last. */
export class NameServer {
  readonly #records: string;

  private constructor(records: string) {
    this.#records = records;
  }

  static async start(machine: Machine): Promise<NameServer> {
    const server = new NameServer(join(machine.network.folder, 'records.json'));
    await server.set({});
    await machine.runProgram('test/support/dns.ts', [server.#records, '53']);
    return server;
  }

  /** @param addresses by full name, with the dot at its end */
  async set(addresses: Readonly<Record<string, readonly string[]>>): Promise<void> {
    await writeFile(this.#records, JSON.stringify(addresses));
  }
}

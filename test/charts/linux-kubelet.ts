/**
 * A kubelet's part for a Linux node, as far as the chart's pods need it: the Node object and its lease, volumes,
 * environment, init containers and sidecars, restarts, readiness, the order of an end.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Pod } from '../../agent/kube/types.ts';
import type { Api } from '../support/api.ts';
import type { ClusterAccess } from '../cluster/access.ts';
import type { LinuxMachine } from './linux-machine.ts';
import { ADDRESS, PodOnMachine } from './linux-pod.ts';

export interface LinuxKubeletOptions {
  readonly cluster: ClusterAccess;
  readonly api: Api;
  readonly machine: LinuxMachine;
  readonly nodeName: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The folders of an image, the topmost first, by its reference. */
  readonly images: ReadonlyMap<string, readonly string[]>;
}

/** Keeps the pods of other tests away. */
export const TAINT = { key: 'wasmlet.example.com/chart', effect: 'NoSchedule' } as const;
const LOOK_MS = 200;
const LEASE_MS = 10_000;

export class LinuxKubelet implements AsyncDisposable {
  readonly #options: LinuxKubeletOptions;
  readonly #pods = new Map<string, PodOnMachine>();
  readonly #ended = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  private constructor(options: LinuxKubeletOptions) {
    this.#options = options;
  }

  /** Makes the node; pods that are bound to it run until it is disposed of. */
  static async start(options: LinuxKubeletOptions): Promise<LinuxKubelet> {
    const kubelet = new LinuxKubelet(options);
    await kubelet.#register();
    kubelet.#running = Promise.all([kubelet.#renew(), kubelet.#look()]);
    // Thrown when it is disposed of; until then the test fails for want of what it waits for.
    kubelet.#running.catch(() => undefined);
    return kubelet;
  }

  /** What runs of a pod, the latest of its name. @throws Error when there is no such pod */
  pod(wished: (pod: Pod) => boolean): PodOnMachine {
    const found = [...this.#pods.values()].findLast(({ pod }) => wished(pod));
    if (!found) throw new Error(`no such pod runs on ${this.#options.nodeName}`);
    return found;
  }

  async #register(): Promise<void> {
    const { api, nodeName: name, labels } = this.#options;
    await api.request('POST', '/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/hostname': name, ...labels } },
      spec: { taints: [TAINT] },
    });
    const resources = { cpu: '8', memory: '16Gi', pods: '110', 'ephemeral-storage': '100Gi' };
    const status = {
      capacity: resources,
      allocatable: resources,
      addresses: [{ type: 'InternalIP', address: ADDRESS }],
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: new Date() }],
    };
    await api.request('PATCH', `/api/v1/nodes/${name}/status`, { status }, 'application/strategic-merge-patch+json');
  }

  async #renew(): Promise<void> {
    const { api, nodeName: name } = this.#options;
    const path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
    const lease = () => ({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name },
      spec: {
        holderIdentity: name,
        leaseDurationSeconds: 40,
        renewTime: new Date().toISOString().replace('Z', '000Z'),
      },
    });
    await api.request('POST', path, lease());
    while (await this.#sleep(LEASE_MS)) {
      await api.request('PATCH', `${path}/${name}`, lease(), 'application/merge-patch+json');
    }
  }

  async #look(): Promise<void> {
    const { api, nodeName } = this.#options;
    do {
      const path = `/api/v1/pods?fieldSelector=${encodeURIComponent(`spec.nodeName=${nodeName}`)}`;
      const { items } = (await api.request<{ items: Pod[] }>('GET', path)).body;
      for (const pod of items) this.#sync(pod);
    } while (await this.#sleep(LOOK_MS));
  }

  #sync(pod: Pod): void {
    const { uid = '', deletionTimestamp } = pod.metadata ?? {};
    const known = this.#pods.get(uid);
    if (known === undefined) {
      // One that was deleted before it was seen is as one that has begun.
      const begun = new PodOnMachine({ ...this.#options, pod });
      this.#pods.set(uid, begun);
      if (deletionTimestamp === undefined) begun.start();
    }
    if (deletionTimestamp !== undefined) void this.#pods.get(uid)?.end();
  }

  /** @returns false once it is disposed of */
  async #sleep(milliseconds: number): Promise<boolean> {
    return delay(milliseconds, true, { signal: this.#ended.signal }).catch(() => false);
  }

  /** As when the machine loses its power: nobody tells the API server. The Node object stays. */
  async powerOff(): Promise<void> {
    this.#ended.abort();
    await this.#running.catch(() => undefined);
    await Promise.all([...this.#pods.values()].map((pod) => pod.kill()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
    const { api, nodeName } = this.#options;
    for (const pod of this.#pods.values()) await pod.remove();
    await api.request('DELETE', `/api/v1/nodes/${nodeName}`);
  }
}

import { mkdir } from 'node:fs/promises';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Image } from '../../images/service.ts';
import type { RuntimeCondition, RuntimeStatus } from '../../runtime/service.ts';
import { parseDuration } from '../config/duration.ts';
import type { Config } from '../config/schema.ts';
import { nodeAddresses } from './addresses.ts';
import { nodeResources } from './capacity.ts';
import { readMachine, readNodeInfo, type NodeInfo } from './machine.ts';
import { createPressureMonitor, type PressureMonitor } from './pressure.ts';
import type { NodeObservation } from './status.ts';

export interface ObserverOptions {
  readonly config: Config;
  /** URL of the API server. */
  readonly server: string;
  readonly runtimeStatus: () => Promise<RuntimeStatus>;
  readonly images: () => Promise<readonly Image[]>;
  /** Port that the node's HTTPS API listens on. */
  readonly serverPort: () => number;
  readonly logger: Logger;
}

/** Looks at the machine, the runtime and the images. */
export interface Observer {
  observe(): Promise<NodeObservation>;
}

/** pkg/kubelet, maxWaitForContainerRuntime: a runtime that did not answer for so long is down. */
const RUNTIME_DOWN_MS = 30_000;

export function createObserver(options: ObserverOptions): Observer {
  return new MachineObserver(options);
}

class MachineObserver implements Observer {
  readonly #options: ObserverOptions;
  readonly #pressure: PressureMonitor;
  #nodeInfo: NodeInfo | undefined;
  #runtime: RuntimeStatus | undefined;
  #runtimeSeenMs = -Infinity;
  #images: readonly Image[] = [];

  constructor(options: ObserverOptions) {
    const { evictionHard, evictionPressureTransitionPeriod } = options.config;
    this.#options = options;
    this.#pressure = createPressureMonitor(evictionHard, parseDuration(evictionPressureTransitionPeriod));
  }

  async observe(): Promise<NodeObservation> {
    const { config, server, serverPort } = this.#options;
    await mkdir(config.rootDir, { recursive: true });
    this.#nodeInfo ??= await readNodeInfo();
    const [machine, internalIPs] = await Promise.all([
      readMachine(config.rootDir),
      nodeAddresses({ nodeIP: config.nodeIP, address: config.address, server }),
      this.#readRuntime(),
      this.#readImages(),
    ]);
    const network = conditionOf(this.#runtime, 'NetworkReady');
    return {
      nodeName: config.nodeName,
      internalIPs,
      resources: nodeResources(machine, config),
      nodeInfo: this.#nodeInfo,
      port: serverPort(),
      images: this.#images,
      runtimeHandlers: this.#runtime?.runtimeHandlers ?? [],
      pressure: this.#pressure.evaluate(machine, performance.now()),
      network: { ready: network.status, reason: network.reason, message: network.message },
      confinement: this.#runtime?.conditions.find(({ type }) => type === 'HostsConfined'),
      errors: this.#errors(),
    };
  }

  async #readRuntime(): Promise<void> {
    try {
      this.#runtime = await this.#options.runtimeStatus();
      this.#runtimeSeenMs = performance.now();
    } catch (error) {
      this.#options.logger.warn('the runtime does not tell its status', { error: messageOf(error) });
    }
  }

  async #readImages(): Promise<void> {
    try {
      this.#images = await this.#options.images();
    } catch (error) {
      this.#options.logger.warn('the images cannot be listed', { error: messageOf(error) });
    }
  }

  /** Why no pods can run, in the kubelet's words (pkg/kubelet/runtime.go, updateRuntimeUp). */
  #errors(): string[] {
    if (!this.#runtime) return ['container runtime status check may not have completed yet'];
    if (performance.now() - this.#runtimeSeenMs > RUNTIME_DOWN_MS) return ['container runtime is down'];
    const runtime = conditionOf(this.#runtime, 'RuntimeReady');
    const network = conditionOf(this.#runtime, 'NetworkReady');
    return [
      ...(runtime.status ? [] : [`container runtime not ready: ${describe(runtime)}`]),
      ...(network.status ? [] : [`container runtime network not ready: ${describe(network)}`]),
    ];
  }
}

function conditionOf(status: RuntimeStatus | undefined, type: string): RuntimeCondition {
  return status?.conditions.find((condition) => condition.type === type) ?? missing(type);
}

const missing = (type: string): RuntimeCondition => ({ type, status: false, reason: '', message: '' });

const describe = ({ type, status, reason, message }: RuntimeCondition): string =>
  `${type}=${status} reason:${reason} message:${message}`;

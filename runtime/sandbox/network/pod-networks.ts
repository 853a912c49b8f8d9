import { createHash } from 'node:crypto';
import type { Logger } from '../../../base/log.ts';
import { messageOf, WasmletError } from '../../../base/errors.ts';
import type { PodSandboxConfig, PortMapping, RuntimeCondition } from '../../service.ts';
import { bootId } from '../../../base/process.ts';
import type { Attachment } from './attachment.ts';
import { listNamespaces, missingMeans, namespacePath, removeNamespace } from './namespace.ts';
import { loadNetworkConfig } from './network-config.ts';
import type { NetworkConfigList } from './network-config.ts';
import { destroyNetwork, PodNetwork } from './pod-network.ts';
import type { PodNetworkRecord } from './pod-network.ts';

/** Where the Container Network Interface's configuration and plugins are. */
export interface CniSettings {
  readonly confDir: string;
  readonly binDir: string;
}

/** As containerd names the interface of a pod. */
const POD_INTERFACE = 'eth0';

/** Brings the namespace's own loopback up, as containerd does it. */
const LOOPBACK: Attachment = {
  ifName: 'lo',
  list: { cniVersion: '0.3.1', name: 'cni-loopback', disableCheck: false, plugins: [{ type: 'loopback' }] },
  capabilities: {},
};

export interface SandboxIdentity {
  readonly id: string;
  /** The sandbox's folder. */
  readonly directory: string;
  readonly config: PodSandboxConfig;
}

interface LoadedConfig {
  readonly list: NetworkConfigList;
  readonly binDir: string;
}

/**
 * How the names of a node's namespaces begin.
 * @param root the node's state folder: so several nodes can share a machine
 */
export const namespacePrefix = (root: string): string =>
  `wasmlet-${createHash('sha256').update(root).digest('hex').slice(0, 8)}-`;

/** The pod networks of one node. */
export class PodNetworks {
  readonly #prefix: string;
  readonly #logger: Logger;
  #settings: CniSettings | undefined;

  /** @param root the node's state folder */
  constructor(root: string, settings: CniSettings | undefined, logger: Logger) {
    this.#prefix = namespacePrefix(root);
    this.#settings = settings;
    this.#logger = logger;
  }

  /** Sandboxes that there are stay as they were made. */
  configure(settings: CniSettings | undefined): void {
    this.#settings = settings;
  }

  /** Why pods share the node's address; undefined: they have their own. */
  #whyShared(): string | undefined {
    if (!this.#settings) return 'no CNI is configured (cniConfDir)';
    return missingMeans();
  }

  /** CRI's NetworkReady. */
  async condition(): Promise<RuntimeCondition> {
    const type = 'NetworkReady';
    const shared = this.#whyShared();
    if (shared !== undefined) {
      const message = `runtime network is ready; pods share the node's address: ${shared}`;
      return { type, status: true, reason: 'PodsShareNodeAddress', message };
    }
    try {
      await this.#load();
      return { type, status: true, reason: '', message: '' };
    } catch (error) {
      const message = `Network plugin returns error: ${messageOf(error)}`;
      return { type, status: false, reason: 'NetworkPluginNotReady', message };
    }
  }

  /** @throws WasmletError FailedPrecondition that begins with containerd's words */
  async #load(): Promise<LoadedConfig | undefined> {
    const settings = this.#settings;
    if (!settings) return undefined;
    try {
      return { list: await loadNetworkConfig(settings.confDir), binDir: settings.binDir };
    } catch (cause) {
      throw new WasmletError('FailedPrecondition', `cni plugin not initialized: ${messageOf(cause)}`, { cause });
    }
  }

  /**
   * What the network of a new sandbox is to be; it is made by its setUp.
   * @returns undefined: the sandbox shares the node's
   * @throws WasmletError FailedPrecondition when there is no valid configuration
   */
  async plan({ id, directory, config }: SandboxIdentity): Promise<PodNetwork | undefined> {
    if (config.hostNetwork || this.#whyShared() !== undefined) return undefined;
    const loaded = await this.#load().catch((error: unknown) => {
      const message = `failed to setup network for sandbox "${id}": ${messageOf(error)}`;
      throw new WasmletError('FailedPrecondition', message, { cause: error });
    });
    if (!loaded) return undefined;
    return new PodNetwork(directory, this.#record(id, cniArgs(id, config), loaded, capabilities(config)));
  }

  #record(
    id: string,
    args: string,
    { list, binDir }: LoadedConfig,
    wanted: Attachment['capabilities'],
  ): PodNetworkRecord {
    return {
      containerId: id,
      cniArgs: args,
      netns: namespacePath(this.#prefix + id),
      bootId: bootId(),
      binDir,
      attachments: [LOOPBACK, { ifName: POD_INTERFACE, list, capabilities: wanted }],
      addresses: [],
    };
  }

  /**
   * Removes namespaces of ours that no sandbox knows: their records were lost. DEL of each by its own id, and never
   * CNI's GC, which would free addresses of other runtimes too.
   * @param known paths of the namespaces of all sandboxes
   */
  async removeStrays(known: ReadonlySet<string>): Promise<void> {
    const names = await listNamespaces(this.#prefix);
    const strays = names.filter((name) => !known.has(namespacePath(name)));
    if (strays.length === 0) return;
    const loaded = await this.#load().catch(() => undefined);
    for (const name of strays) {
      const path = namespacePath(name);
      this.#logger.warn('a network namespace of a pod sandbox that is gone is removed', { path });
      try {
        const id = name.slice(this.#prefix.length);
        if (loaded) await destroyNetwork(this.#record(id, 'IgnoreUnknown=1', loaded, {}));
        else await removeNamespace(path);
      } catch (error) {
        this.#logger.error('a network namespace cannot be removed', { path, error: messageOf(error) });
      }
    }
  }
}

/** The standard arguments (https://www.cni.dev/docs/conventions/, and what containerd and CRI-O give). */
const cniArgs = (id: string, { metadata }: PodSandboxConfig): string =>
  [
    'IgnoreUnknown=1',
    `K8S_POD_NAMESPACE=${metadata.namespace}`,
    `K8S_POD_NAME=${metadata.name}`,
    `K8S_POD_INFRA_CONTAINER_ID=${id}`,
    `K8S_POD_UID=${metadata.uid}`,
  ].join(';');

/** What plugins may ask to be told (https://www.cni.dev/docs/conventions/#dynamic-plugin-specific-fields-capabilities--runtime-configuration). */
function capabilities({ portMappings, dnsConfig }: PodSandboxConfig): Record<string, unknown> {
  const mappings = portMappings.filter(({ hostPort }) => hostPort > 0).map(toCni);
  return {
    ...(mappings.length > 0 ? { portMappings: mappings } : {}),
    ...(dnsConfig ? { dns: dnsConfig } : {}),
  };
}

const toCni = ({ protocol, containerPort, hostPort, hostIp }: PortMapping) => ({
  hostPort,
  containerPort,
  protocol: protocol.toLowerCase(),
  ...(hostIp === '' ? {} : { hostIP: hostIp }),
});

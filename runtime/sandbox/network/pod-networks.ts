import { createHash } from 'node:crypto';
import type { Logger } from '../../../base/log.ts';
import { messageOf, WasmletError } from '../../../base/errors.ts';
import type { PodSandboxConfig, PortMapping, RuntimeCondition } from '../../service.ts';
import { bootId } from '../../../base/process.ts';
import type { Attachment } from './attachment.ts';
import { OwnNamespace } from './namespace-use.ts';
import { listNamespaces, missingMeans, missingMeansToShare, namespacePath, removeNamespace } from './namespace.ts';
import { loadNetworkConfig } from './network-config.ts';
import type { NetworkConfigList } from './network-config.ts';
import { detachAll, PodNetwork, readNetworkRecord } from './pod-network.ts';
import type { PodNetworkRecord } from './pod-network.ts';
import { interfaceOf, isSharedName, SharedNamespaces } from './shared-namespaces.ts';
import type { SharedPlace } from './shared-namespaces.ts';
import { podInterfaces } from './source-routing.ts';

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
  /** With whom it may share a network namespace: sandboxes of the same name; undefined: with nobody. */
  readonly group: string | undefined;
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
  readonly #shared: SharedNamespaces;
  #settings: CniSettings | undefined;

  /** @param root the node's state folder */
  constructor(root: string, settings: CniSettings | undefined, logger: Logger) {
    this.#prefix = namespacePrefix(root);
    this.#settings = settings;
    this.#logger = logger;
    this.#shared = new SharedNamespaces(this.#prefix);
  }

  /**
   * Sandboxes that there are stay as they were made.
   * @param maxShared sandboxes of one shared network namespace
   */
  configure(settings: CniSettings | undefined, maxShared: number): void {
    this.#settings = settings;
    this.#shared.maxPods = maxShared;
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
  async plan({ id, directory, config, group }: SandboxIdentity): Promise<PodNetwork | undefined> {
    if (config.hostNetwork || this.#whyShared() !== undefined) return undefined;
    const loaded = await this.#load().catch((error: unknown) => {
      const message = `failed to setup network for sandbox "${id}": ${messageOf(error)}`;
      throw new WasmletError('FailedPrecondition', message, { cause: error });
    });
    if (!loaded) return undefined;
    const args = { id, cniArgs: cniArgs(id, config), wanted: capabilities(config) };
    if (group !== undefined && this.#mayShare()) {
      const place = this.#shared.join(group);
      return new PodNetwork(directory, sharedRecord(args, loaded, place), place);
    }
    const record = ownRecord(args, loaded, namespacePath(this.#prefix + id));
    return new PodNetwork(directory, record, new OwnNamespace(record.netns));
  }

  #mayShare(): boolean {
    const missing = missingMeansToShare();
    if (missing === undefined) return true;
    this.#logger.warn('a pod has a network namespace and host processes of its own', { missing });
    return false;
  }

  /** What a sandbox of an earlier supervisor has; undefined: it shares the node's. @throws WasmletError InvalidRecord */
  async adopt(directory: string): Promise<PodNetwork | undefined> {
    const record = await readNetworkRecord(directory);
    if (!record) return undefined;
    const { netns, shared } = record;
    const namespace = shared ? await this.#shared.adopt(netns, shared) : new OwnNamespace(netns);
    return new PodNetwork(directory, record, namespace, true);
  }

  /**
   * Removes namespaces of ours that no sandbox knows, and what sandboxes nobody knows have in those that are shared:
   * their records were lost. DEL of each by its own id, and never CNI's GC, which would free addresses of other runtimes
   * too. All sandboxes have been adopted by now.
   */
  async removeStrays(sandboxes: readonly KnownSandbox[]): Promise<void> {
    const shared = this.#shared.endAdoption();
    const own = new Set(sandboxes.map(({ netns }) => netns));
    const names = await listNamespaces(this.#prefix);
    if (names.length === 0) return;
    const loaded = await this.#load().catch(() => undefined);
    const ids = new Set(sandboxes.map(({ id }) => id));
    for (const name of names) {
      const path = namespacePath(name);
      try {
        if (isSharedName(name, this.#prefix)) await this.#detachStrays(path, ids, loaded);
        if (shared.has(path) || own.has(path)) continue;
        this.#logger.warn('a network namespace of pod sandboxes that are gone is removed', { path });
        const args = { id: name.slice(this.#prefix.length), cniArgs: STRAY_ARGS, wanted: {} };
        if (loaded && !isSharedName(name, this.#prefix)) await detachAll(ownRecord(args, loaded, path));
        await removeNamespace(path);
      } catch (error) {
        this.#logger.error('a network namespace cannot be removed', { path, error: messageOf(error) });
      }
    }
  }

  async #detachStrays(path: string, known: ReadonlySet<string>, loaded: LoadedConfig | undefined): Promise<void> {
    if (!loaded) return;
    for (const { name, owner } of await podInterfaces(path)) {
      if (known.has(owner)) continue;
      this.#logger.warn('the network of a pod sandbox that is gone is given back', { path, sandbox: owner });
      const attachments = [{ ifName: name, list: loaded.list, capabilities: {} }];
      await detachAll({ ...ownRecord({ id: owner, cniArgs: STRAY_ARGS, wanted: {} }, loaded, path), attachments });
    }
  }
}

export interface KnownSandbox {
  readonly id: string;
  /** Path of its network namespace; undefined: the node's. */
  readonly netns: string | undefined;
}

/** All that is known of a sandbox whose records are lost. */
const STRAY_ARGS = 'IgnoreUnknown=1';

interface AttachmentArguments {
  readonly id: string;
  readonly cniArgs: string;
  readonly wanted: Attachment['capabilities'];
}

const ownRecord = (
  { id, cniArgs: args, wanted }: AttachmentArguments,
  { list, binDir }: LoadedConfig,
  netns: string,
): PodNetworkRecord => ({
  containerId: id,
  cniArgs: args,
  netns,
  bootId: bootId(),
  binDir,
  attachments: [LOOPBACK, { ifName: POD_INTERFACE, list, capabilities: wanted }],
  addresses: [],
});

/** The loopback of a shared namespace is up already, and would be down for all after one's DEL. */
const sharedRecord = (
  args: AttachmentArguments,
  loaded: LoadedConfig,
  { path, group, slot }: SharedPlace,
): PodNetworkRecord => ({
  ...ownRecord(args, loaded, path),
  attachments: [{ ifName: interfaceOf(slot), list: loaded.list, capabilities: args.wanted }],
  shared: { group, slot },
});

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

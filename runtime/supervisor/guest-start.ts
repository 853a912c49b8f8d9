import type { GuestStart, HostStart } from '../host/protocol.ts';
import type { ContainerConfig } from '../service.ts';
import type { ContainerOwner } from './container-owner.ts';
import type { SupervisorContext } from './context.ts';
import { fuelLimitOf } from './fuel-limit.ts';
import { networkOf } from './guest-network.ts';
import { hostStatePath, rootPath } from './records.ts';
import { sandboxMounts } from './sandbox-files.ts';
import { resolveIdentity } from './user.ts';

/** A container as far as its host is told of it. */
export interface StartedContainer {
  readonly config: ContainerConfig;
  readonly owner: ContainerOwner;
  /** Holds the container's files. */
  readonly directory: string;
  readonly logPath: string;
  readonly policy: SupervisorContext['policy'];
}

/** What the host of a container's own guest is told. @throws WasmletError as `identityOf` */
export function hostStart(container: StartedContainer): Omit<HostStart, 'v' | 'type'> {
  const { config, owner, directory, logPath } = container;
  const { module } = config.image;
  const guest = guestStart(container, config.args);
  const network = networkOf(config, owner);
  const fuelLimit = fuelLimitOf(owner, config.metadata.name);
  return {
    ...guest,
    ...(fuelLimit === undefined ? {} : { fuelLimit }),
    network: { ...network, ...guest.network, listeners: network.listeners },
    ...(module === undefined ? {} : { module }),
    directory: hostStatePath(directory),
    logPath,
    logLimits: config.logLimits,
    stdin: config.stdin,
    ...(config.stopSignal === undefined ? {} : { stopSignal: config.stopSignal }),
  };
}

/** What the container's own guest and the commands in it have in common. @throws WasmletError as `identityOf` */
export function guestStart(
  { config, owner, directory, policy }: StartedContainer,
  args: readonly string[],
): GuestStart {
  const network = networkOf(config, owner);
  return {
    engine: owner.engine,
    title: `wasmlet-host ${owner.metadata.namespace}/${owner.metadata.name}/${config.metadata.name}`,
    root: rootPath(directory),
    args,
    env: config.envs.map(({ key, value }) => `${key}=${value}`),
    workingDir: config.workingDir === '' ? '/' : config.workingDir,
    mounts: [...config.mounts, ...sandboxMounts(owner.directory, config)],
    tty: config.tty,
    ...identityOf(config),
    hostname: owner.hostname,
    readonlyRoot: config.securityContext?.readonlyRootfs ?? false,
    posixExtension: policy.posixExtension,
    network: { ...network, listeners: [], ...(owner.dnsConfig ? { dns: owner.dnsConfig } : {}) },
  };
}

/** As whom the guest runs. @throws WasmletError InvalidArgument for a user that the image does not know */
export function identityOf({ securityContext, image }: ContainerConfig): Pick<GuestStart, 'identity'> {
  return securityContext === undefined ? {} : { identity: resolveIdentity(securityContext, image.tree) };
}

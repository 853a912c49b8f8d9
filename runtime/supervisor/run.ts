import { mkdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../../base/log.ts';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { VERSION } from '../../base/version.ts';
import { findLayout } from '../sandbox/cgroup-layout.ts';
import { Cgroups } from '../sandbox/cgroup.ts';
import type { Confinement } from '../sandbox/confinement/confinement.ts';
import { findConfinement } from '../sandbox/confinement/find-confinement.ts';
import { selectConfinement } from '../sandbox/confinement/select.ts';
import { PodNetworks } from '../sandbox/network/pod-networks.ts';
import { adoptAll, settleNetworks } from './adopt.ts';
import { compressRotatedLogs } from './compress.ts';
import type { SupervisorContext } from './context.ts';
import { EventHub } from './events.ts';
import { compileHostCode, hostCode } from './host-code.ts';
import { hostRootPath, hostSocketPath } from './hosts.ts';
import { lockFolder } from '../../base/lock.ts';
import type { FolderLock } from '../../base/lock.ts';
import { missingOverlay } from './overlay-trial.ts';
import { HostPool } from './pool.ts';
import { runDirectory, runtimeDirectory } from './records.ts';
import { Runtime } from './runtime.ts';
import type { Handlers } from './runtime.ts';
import { serve } from './server.ts';
import { SharedModules } from './shared/modules.ts';
import { SharedHosts } from './shared/placement.ts';
import type { RuntimeServer } from './server.ts';

export interface SupervisorOptions extends Handlers {
  /** The node's state folder. */
  readonly root: string;
  /** Path of the socket that agents connect to. */
  readonly socket: string;
  /** Hosts that are started ahead; default 1. */
  readonly poolSize?: number;
  /** Ends by itself once nobody needs it: nothing runs, and no client was there for a while. Default: it never does. */
  readonly endWhenUnused?: boolean;
  readonly logger: Logger;
}

/** As the kubelet's containerLogMonitorInterval; and so long has nobody to come before an unused supervisor ends. */
const HOUSEKEEPING_MS = 10_000;

/**
 * Runs a runtime supervisor until `signal` ends it, or until nobody needs it (`endWhenUnused`). Containers run on without it, and the next supervisor of the same
 * root adopts them.
 * @param onReady called once the socket answers
 * @throws WasmletError AlreadyExists when the root has a supervisor; InvalidConfig for a path that is too long
 */
export async function runSupervisor(
  options: SupervisorOptions,
  signal: AbortSignal,
  onReady: () => void = () => undefined,
): Promise<void> {
  const { root, socket, logger } = options;
  await using lock = await lockFolder(runtimeDirectory(root), 'supervisor');
  const run = runDirectory(root);
  // Better refused at the start than at the first pod.
  hostSocketPath(run, '0'.repeat(16));
  await mkdir(run, { recursive: true, mode: 0o700 });
  const code = await hostCode(run);
  const stopped = new AbortController();
  const layout = findLayout();
  const possible = await findConfinement({ code, rootPath: hostRootPath(run), userIds: options.userIds }, signal);
  for (const missing of possible.missing) logger.warn('hosts are less confined than they could be', { missing });
  const confinement = selectConfinement(options.confinement ?? 'preferred', possible, code);
  using pool = new HostPool({ confinement, possible, runDirectory: run, size: options.poolSize ?? 1, logger });
  const noOverlay = await missingMountedRoots(possible, run);
  if (noOverlay !== undefined) logger.info('containers get copies of the files of their images', { reason: noOverlay });
  const cgroups = layout && new Cgroups(layout);
  using sharedModules = new SharedModules(root);
  const context: SupervisorContext = {
    root,
    runDirectory: run,
    pool,
    sharedHosts: new SharedHosts({ pool, cgroups, runDirectory: run, logger, signal: stopped.signal }),
    sharedModules,
    confine: (mode) => pool.confine(selectConfinement(mode, possible, code)),
    mayMountRoots: () => noOverlay === undefined && pool.confinement.hasOwnMounts,
    networks: new PodNetworks(root, options.cni, logger),
    events: new EventHub(),
    logger,
    policy: { posixExtension: options.posixExtension ?? true },
    cgroups,
    signal: stopped.signal,
  };
  const runtime = new Runtime(context, options);
  let settled: Promise<unknown> | undefined;
  try {
    await adoptAll(runtime);
    await using server = await serve(socket, runtime, logger);
    pool.fill();
    settled = Promise.all([settleNetworks(runtime), compiled(code, context)]);
    logger.info('runtime supervisor is ready', { version: VERSION, socket, containers: runtime.containers.size });
    onReady();
    const isUsed = () => options.endWhenUnused !== true || isNeeded(runtime, server);
    await keepHouse({ runtime, lock, isUsed }, signal);
  } finally {
    stopped.abort();
    await settled;
  }
}

async function compiled(code: string, { logger, signal }: SupervisorContext): Promise<void> {
  try {
    await compileHostCode(code, signal);
  } catch (error) {
    if (!signal.aborted)
      logger.warn('hosts start slower: their code cannot be compiled ahead', { error: messageOf(error) });
  }
}

/** Why containers' roots cannot be mounted for their hosts; undefined: they can. */
async function missingMountedRoots({ hasOwnMounts }: Confinement, folder: string): Promise<string | undefined> {
  return hasOwnMounts ? await missingOverlay(folder) : 'hosts have no mounts of their own';
}

/** Whether anything runs, or anybody has been there since this was asked last. */
function isNeeded({ sandboxes, containers }: Runtime, server: RuntimeServer): boolean {
  const hadClient = server.wasUsed();
  const isReady = [...sandboxes.values()].some(({ ready }) => ready);
  return hadClient || isReady || [...containers.values()].some(({ host }) => host !== undefined);
}

interface House {
  readonly runtime: Runtime;
  readonly lock: FolderLock;
  /** Asked each time before anything else is done. */
  readonly isUsed: () => boolean;
}

/**
 * Compresses rotated logs now and then, until `signal` ends it or the supervisor is not used any more.
 * @throws WasmletError FailedPrecondition when the lock is lost: another supervisor may have the root by then
 */
async function keepHouse({ runtime, lock, isUsed }: House, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(HOUSEKEEPING_MS, undefined, { signal }).catch(() => undefined);
    if (!isUsed()) return;
    if (!lock.isHeld()) {
      throw new WasmletError('FailedPrecondition', `the lock in ${runtimeDirectory(runtime.context.root)} was removed`);
    }
    await runtime.context.sharedModules.removeUnused().catch((error: unknown) => {
      runtime.context.logger.warn('rewritten modules cannot be collected', { error: messageOf(error) });
    });
    // Those of exited containers stay as they are, as the kubelet leaves them.
    for (const container of runtime.listContainers({ state: 'CONTAINER_RUNNING' })) {
      // Whoever rotates a log compresses it too.
      if (container.config.logLimits.maxSize === 0) continue;
      try {
        await compressRotatedLogs(container.logPath, signal);
      } catch (error) {
        runtime.context.logger.warn('logs cannot be compressed', { log: container.logPath, error: messageOf(error) });
      }
    }
  }
}

import { readdir, rm, rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errnoOf, hasCode, messageOf } from '../../base/errors.ts';
import { readRecord } from '../../base/record.ts';
import { endLeftCommands } from './commands.ts';
import { ContainerEntry } from './container.ts';
import type { SupervisorContext } from './context.ts';
import { AdoptedHost } from './hosts.ts';
import type { Host } from './hosts.ts';
import { bootId, isAlive } from '../../base/process.ts';
import {
  configPath,
  CONTAINER_RECORD,
  containersDirectory,
  podsDirectory,
  readExit,
  SANDBOX_RECORD,
  sandboxPath,
  STATE_RECORD,
  statePath,
} from './records.ts';
import type { StateRecord } from './records.ts';
import type { Runtime } from './runtime.ts';
import { SandboxEntry } from './sandbox.ts';

/**
 * Takes over what an earlier supervisor has left on disk: sandboxes, containers, and the hosts that still run. What
 * ended meanwhile is noted, from the host's own record or as unknown. A record that cannot be read costs its own pod
 * only: it is told of, and left for people to look at.
 */
export async function adoptAll(runtime: Runtime): Promise<void> {
  const { root, logger, sharedHosts } = runtime.context;
  for (const directory of await sandboxDirectories(podsDirectory(root))) {
    try {
      await adoptSandbox(runtime, directory);
    } catch (error) {
      logger.error('a pod sandbox of an earlier supervisor cannot be read', { directory, error: messageOf(error) });
    }
  }
  sharedHosts.endUnused();
  await removeEmptyFolders(podsDirectory(root));
  await removeStrayFiles(runtime);
  await runtime.context.networks.removeStrays([...runtime.sandboxes.values()]);
}

/**
 * Gives back the networks of sandboxes that ended with their boot or while no supervisor was there: their addresses are
 * free for others at once, and not when somebody asks for their removal. Has those of the others checked. Takes its
 * time, so the supervisor serves meanwhile.
 */
export async function settleNetworks({ sandboxes, context }: Runtime): Promise<void> {
  for (const sandbox of [...sandboxes.values()]) {
    if (context.signal.aborted) return;
    if (sandbox.netns === undefined) continue;
    try {
      if (sandbox.ready) await sandbox.checkNetwork();
      else await sandbox.stop();
    } catch (error) {
      // One that is to be given back is so at the latest when the sandbox is removed.
      context.logger.warn("a pod sandbox's network is not as it should be", {
        sandbox: sandbox.id,
        error: messageOf(error),
      });
    }
  }
}

async function names(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}

/** What is left where a supervisor was killed between the removal of a sandbox and that of the folders above it. */
async function removeEmptyFolders(pods: string): Promise<void> {
  for (const namespace of await names(pods)) {
    for (const uid of await names(join(pods, namespace))) {
      await removeIfEmpty(join(pods, namespace, uid, 'runtime'));
      await removeIfEmpty(join(pods, namespace, uid));
    }
    await removeIfEmpty(join(pods, namespace));
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error;
  }
}

/** <pods>/<namespace>/<uid>/runtime/<sandbox id> */
async function sandboxDirectories(pods: string): Promise<string[]> {
  const found: string[] = [];
  for (const namespace of await names(pods)) {
    for (const uid of await names(join(pods, namespace))) {
      const runtime = join(pods, namespace, uid, 'runtime');
      found.push(...(await names(runtime)).map((id) => join(runtime, id)));
    }
  }
  return found;
}

async function adoptSandbox(runtime: Runtime, directory: string): Promise<void> {
  const record = await readRecord(sandboxPath(directory), SANDBOX_RECORD);
  const network = await runtime.context.networks.adopt(directory);
  if (!record) {
    // Its creation was broken off, and its id was never given to anyone.
    await network?.tearDown();
    await rm(directory, { recursive: true, force: true });
    return;
  }
  const lost = record.bootId !== bootId() || (network !== undefined && !(await network.isIntact()));
  const state = lost ? 'SANDBOX_NOTREADY' : record.state;
  const sandbox = new SandboxEntry({ ...record, state }, directory, runtime.context, network);
  runtime.sandboxes.set(sandbox.id, sandbox);
  for (const id of await names(containersDirectory(directory))) {
    const container = await adoptContainer(runtime, sandbox, join(containersDirectory(directory), id));
    if (!container) continue;
    sandbox.containers.set(container.id, container);
    runtime.containers.set(container.id, container);
  }
}

async function adoptContainer(
  { context }: Runtime,
  sandbox: SandboxEntry,
  directory: string,
): Promise<ContainerEntry | undefined> {
  const record = await readRecord(configPath(directory), CONTAINER_RECORD);
  if (!record) {
    await rm(directory, { recursive: true, force: true });
    return undefined;
  }
  await endLeftCommands(directory, context);
  const entry = new ContainerEntry(sandbox, record, directory, context);
  const state = await readRecord(statePath(directory), STATE_RECORD);
  const isHostThere = state !== undefined && isAlive(state.host);
  if (state?.host.shared === true && !isHostThere) context.sharedHosts.forget(entry.placement, state.host);
  const hasExited = await hasExitRecord(directory);
  // One that is shared lives on for others.
  if (isHostThere && !(hasExited && state.host.shared === true)) {
    await entry.adoptRunning(state, adoptHost(context, entry, state.host));
  } else if (state || hasExited) {
    if (isHostThere) context.sharedHosts.adoptUnused(entry.placement, state.host);
    // Its host ended while no supervisor was there, or was noted by the last one already.
    await entry.adoptExited(state);
  }
  return entry;
}

/** Also one that cannot be read: it is the end of its container all the same. */
async function hasExitRecord(directory: string): Promise<boolean> {
  try {
    return (await readExit(directory)) !== undefined;
  } catch (error) {
    if (hasCode(error, 'InvalidRecord')) return true;
    throw error;
  }
}

function adoptHost(context: SupervisorContext, entry: ContainerEntry, record: StateRecord['host']): Host {
  const { id, shared, ...identity } = record;
  if (shared === true) return context.sharedHosts.adopt(entry.placement, record);
  return new AdoptedHost(id, identity, context.runDirectory, context.signal);
}

/** Sockets and stderr files of hosts that nobody knows any more, and files half written. */
async function removeStrayFiles({ containers, context }: Runtime): Promise<void> {
  const known = new Set([...containers.values()].map((entry) => entry.host?.id));
  for (const name of await names(context.runDirectory)) {
    if (!/\.(bind|sock|stderr|tmp)$/.test(name) || known.has(basename(name).replace(/\..*$/, ''))) continue;
    await rm(join(context.runDirectory, name), { force: true });
  }
  await context.sharedModules.removeHalfWritten();
}

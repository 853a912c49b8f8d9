import { readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { podPaths } from '../volumes/paths.ts';
import type { PodContext } from './context.ts';
import { POD_NAME, POD_NAMESPACE, POD_UID } from './labels.ts';
import { podLogDir, removePodLogs } from './logs.ts';
import type { PodIdentity } from './spec.ts';

/** Seconds that containers of a pod which nobody knows get to end (kubelet.go, SyncTerminatingRuntimePod). */
const ORPHAN_GRACE_SECONDS = 1;

/** Forgets what is known of a pod whose containers have ended; what the node holds of it stays. */
export function forgetPod(context: PodContext, { uid }: PodIdentity): void {
  context.status.forget(uid);
  context.images.forget(uid);
  context.probes.remove(uid);
}

/**
 * Removes all that the node holds of a pod which the API has forgotten and whose containers have ended: what the runtime
 * keeps, its logs, its folder. Idempotent.
 */
export async function removePod(context: PodContext, pod: PodIdentity): Promise<void> {
  forgetPod(context, pod);
  const labelSelector = { [POD_UID]: pod.uid };
  for (const { id } of await context.runtime.listPodSandbox({ labelSelector })) {
    await context.runtime.stopPodSandbox(id);
    await context.runtime.removePodSandbox(id);
  }
  for (const { id } of await context.runtime.listContainers({ labelSelector }))
    await context.runtime.removeContainer(id);
  await context.volumes.unmountPod(pod.uid, pod.namespace);
  await removePodLogs(context.config.containerLogsDir, podLogDir(context.config.podLogsDir, pod));
  await removePodDir(context.config.rootDir, pod);
}

async function removePodDir(rootDir: string, { namespace, uid }: Omit<PodIdentity, 'name'>): Promise<void> {
  const { podDir } = podPaths(rootDir, namespace, uid);
  await rm(podDir, { recursive: true, force: true });
  // The namespace's folder goes with its last pod; another pod may just have come.
  await rmdir(dirname(podDir)).catch(() => undefined);
}

/**
 * Removes what is left of pods that the API does not know: deleted by force, or while the agent was down (kubelet_pods.go,
 * HandlePodCleanups). Only what carries this node's own marks is touched: another node may share the log folder.
 * @param isKnown whether a worker looks after the pod; asked right before each act
 */
export async function removeOrphans(context: PodContext, isKnown: (uid: string) => boolean): Promise<void> {
  // What could not be ended still needs its files.
  const left = new Set<string>();
  for (const orphan of await listRuntimePods(context)) {
    if (isKnown(orphan.uid)) continue;
    if (!(await attempt(context, orphan.uid, () => endAndRemove(context, orphan)))) left.add(orphan.uid);
  }
  const onDisk = [...(await listPodDirs(context.config.rootDir)), ...(await context.volumes.listPodsOnDisk())];
  for (const { namespace, uid } of onDisk) {
    if (isKnown(uid) || left.has(uid)) continue;
    await attempt(context, uid, async () => {
      await context.volumes.unmountPod(uid, namespace);
      for (const name of await listFolder(context.config.podLogsDir)) {
        if (!name.startsWith(`${namespace}_`) || !name.endsWith(`_${uid}`)) continue;
        await removePodLogs(context.config.containerLogsDir, join(context.config.podLogsDir, name));
      }
      await removePodDir(context.config.rootDir, { namespace, uid });
    });
  }
}

async function endAndRemove(context: PodContext, orphan: PodIdentity): Promise<void> {
  context.logger.info('removing a pod that the API does not know', { ...orphan });
  const containers = await context.runtime.listContainers({ labelSelector: { [POD_UID]: orphan.uid } });
  await Promise.all(containers.map(({ id }) => context.runtime.stopContainer(id, ORPHAN_GRACE_SECONDS)));
  await removePod(context, orphan);
}

/** One orphan that cannot be removed must not keep the others. */
async function attempt(context: PodContext, uid: string, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    context.logger.warn('what is left of a pod could not be removed yet', { uid, error: messageOf(error) });
    return false;
  }
}

async function listRuntimePods({ runtime }: PodContext): Promise<PodIdentity[]> {
  const [sandboxes, containers] = await Promise.all([runtime.listPodSandbox(), runtime.listContainers()]);
  const pods = new Map<string, PodIdentity>();
  for (const { labels } of [...sandboxes, ...containers]) {
    const [uid, namespace, name] = [labels[POD_UID], labels[POD_NAMESPACE], labels[POD_NAME]];
    if (uid === undefined || namespace === undefined || name === undefined) continue;
    pods.set(uid, { uid, namespace, name });
  }
  return [...pods.values()];
}

async function listPodDirs(rootDir: string): Promise<{ namespace: string; uid: string }[]> {
  const root = join(rootDir, 'pods');
  const found = [];
  for (const namespace of await listFolder(root)) {
    for (const uid of await listFolder(join(root, namespace))) found.push({ namespace, uid });
  }
  return found;
}

const listFolder = (path: string): Promise<string[]> => readdir(path).catch(() => []);

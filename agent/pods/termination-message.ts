import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf } from '../../base/errors.ts';
import type { ContainerStatus, Mount } from '../../runtime/service.ts';
import type { Container } from '../kube/types.ts';
import { readLogTail } from './logs.ts';

/** Bytes of one container's message (pkg/kubelet/container: MaxContainerTerminationMessageLength). */
export const MAX_MESSAGE_BYTES = 4096;
const MAX_LOG_BYTES = 2048;
const MAX_LOG_LINES = 80;

/**
 * Makes the empty file that a container may write its last words to, one per start, and says where it is mounted.
 * @param containersDir `<rootDir>/pods/<namespace>/<uid>/containers`
 */
export async function makeTerminationMount(containersDir: string, container: Container): Promise<Mount | undefined> {
  const containerPath = container.terminationMessagePath ?? '';
  if (containerPath === '') return undefined;
  const folder = join(containersDir, container.name);
  await mkdir(folder, { recursive: true, mode: 0o750 });
  const hostPath = join(folder, randomBytes(4).toString('hex'));
  await writeFile(hostPath, '');
  // The guest may run as any user; the umask must not decide.
  await chmod(hostPath, 0o666);
  return { containerPath, hostPath, readonly: false };
}

/**
 * A container's last words: its file, or where the policy says so the end of its log (kuberuntime_container.go,
 * getTerminationMessage).
 */
export async function readTerminationMessage(
  status: ContainerStatus,
  { path, policy }: { readonly path: string; readonly policy: string },
): Promise<string> {
  // The last is makeTerminationMount's: at the same path a pod may have a volume, in which guests lay links.
  const mount = status.mounts.findLast(({ containerPath }) => path !== '' && containerPath === path);
  const fallback = policy === 'FallbackToLogsOnError' && status.exitCode !== 0;
  try {
    const written = mount ? await readEnd(mount.hostPath, MAX_MESSAGE_BYTES) : '';
    if (written !== '' || !fallback) return written;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') {
      return `Error on reading termination log ${mount?.hostPath ?? path}: ${messageOf(error)}`;
    }
    if (!fallback) return '';
  }
  try {
    return await readLogTail(status.logPath, { bytes: MAX_LOG_BYTES, lines: MAX_LOG_LINES });
  } catch (error) {
    return errnoOf(error) === 'ENOENT' ? '' : `Error on reading termination message from logs: ${messageOf(error)}`;
  }
}

/** The last bytes of a file, as text. */
async function readEnd(path: string, bytes: number): Promise<string> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const buffer = Buffer.alloc(Math.min(size, bytes));
  const { bytesRead } = await file.read(buffer, 0, buffer.length, Math.max(0, size - bytes));
  return buffer.toString('utf8', 0, bytesRead);
}

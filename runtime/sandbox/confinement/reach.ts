import { dirname } from 'node:path';
import type { GuestStart, HostStart } from '../../host/protocol.ts';
import type { SharedStart } from '../../host/shared/protocol.ts';
import type { Binding } from '../linux/mounts.ts';
import type { Purpose } from './host-root.ts';

/** The paths in a request to a host: all that it may reach of the machine's files. */
export type Reach = Pick<GuestStart, 'root' | 'module' | 'mounts' | 'readonlyRoot'> &
  Partial<Pick<HostStart, 'directory' | 'logPath'> & Pick<SharedStart, 'original'>>;

/** A request whose root does not stand at its path in this process's own mounts, and is mounted for its host alone. */
export interface MountedRoot {
  readonly rootMount?: Exclude<Binding['source'], string>;
}

/** Something that a host may reach, and what for. */
export interface Reached {
  readonly purpose: Purpose;
  readonly path: string;
  /** As in Mount. */
  readonly within?: string | undefined;
}

/**
 * A request with each of its paths in other words.
 * @param translate is given what is reached, and says how the host is to call it
 */
export function translateReach<T extends Reach>(request: T, translate: (reached: Reached) => string): T {
  const { root, module, original, mounts, readonlyRoot, directory, logPath } = request;
  const of = (purpose: Purpose, path: string, within?: string): string => translate({ purpose, path, within });
  return {
    ...request,
    root: of(readonlyRoot === true ? 'readonly' : 'files', root),
    mounts: mounts.map(({ within, ...mount }) => ({
      ...mount,
      hostPath: of(mount.readonly ? 'readonly' : 'files', mount.hostPath, within),
    })),
    ...(module === undefined ? {} : { module: of('modules', module) }),
    ...(original === undefined ? {} : { original: of('modules', original) }),
    ...(directory === undefined ? {} : { directory: of('state', directory) }),
    ...(logPath === undefined ? {} : { logPath: logPath.replace(dirname(logPath), of('logs', dirname(logPath))) }),
  };
}

import { WasmletError } from '../base/errors.ts';
import type { Image } from './service.ts';

/**
 * The argument vector of a container: the pod's `command` replaces the image's entrypoint and drops its cmd, the pod's
 * `args` replace its cmd (CRI: ContainerConfig.command and .args; containerd's WithProcessArgs).
 *
 * A bare artifact without an entrypoint gets argv[0] from its repository: 'ghcr.io/org/hello:1' gives 'hello.wasm'.
 * @param podCommand the pod's `command`, `$(VAR)` expanded; empty where not given
 * @param podArgs the pod's `args`, likewise
 * @param reference the image as the pod names it: of several names for one artifact, argv[0] is of this one
 * @throws WasmletError InvalidArgument when nothing says what to run
 */
export function resolveCommand(
  image: Pick<Image, 'config' | 'module' | 'repoTags' | 'repoDigests' | 'id'>,
  podCommand: readonly string[],
  podArgs: readonly string[],
  reference?: string,
): readonly string[] {
  if (podCommand.length > 0) return [...podCommand, ...podArgs];
  const args = podArgs.length > 0 ? podArgs : image.config.cmd;
  if (image.config.entrypoint.length > 0) return [...image.config.entrypoint, ...args];
  if (image.module !== undefined)
    return [moduleName(reference ?? image.repoTags[0] ?? image.repoDigests[0] ?? 'module'), ...args];
  if (args.length > 0) return args;
  throw new WasmletError(
    'InvalidArgument',
    `no command specified: image ${image.repoTags[0] ?? image.repoDigests[0] ?? image.id} names no entrypoint; ` +
      `set the container's command to the path of the module in the image`,
  );
}

function moduleName(reference: string): string {
  const name = reference.split('@', 1)[0] ?? '';
  const last = name.slice(name.lastIndexOf('/') + 1).split(':', 1)[0] ?? '';
  return last.endsWith('.wasm') ? last : `${last}.wasm`;
}

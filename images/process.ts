import { resolveCommand } from './command.ts';
import type { Image } from './service.ts';

/** What a pod asks of a container's process; what is empty is left to the image. */
export interface ProcessRequest {
  /** `$(VAR)` expanded, as `args`. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir: string;
  readonly envs: readonly { readonly key: string; readonly value: string }[];
  /** The value of HOSTNAME, unless image or pod set it. */
  readonly hostname: string;
  /** As 'SIGTERM'; what is not given is left to the image. */
  readonly stopSignal?: string | undefined;
  /** The image as the pod names it. */
  readonly reference?: string;
}

/** The process of a container, image and pod merged. */
export interface ImageProcess {
  readonly args: readonly string[];
  readonly workingDir: string;
  readonly envs: readonly { readonly key: string; readonly value: string }[];
  readonly stopSignal?: string;
}

/**
 * Merges what a pod asks for with what its image does, as containerd (internal/cri/server/container_create.go).
 * @throws WasmletError InvalidArgument when neither says what to run
 */
export function resolveProcess(image: Image, request: ProcessRequest): ImageProcess {
  const stopSignal = request.stopSignal ?? image.config.stopSignal;
  return {
    ...(stopSignal === undefined ? {} : { stopSignal }),
    args: resolveCommand(image, request.command, request.args, request.reference),
    workingDir: request.workingDir || image.config.workingDir || '/',
    envs: mergeEnvs(request.hostname, image.config.env, request.envs),
  };
}

/** The host's name first, then the image's variables, then the pod's: later ones replace. */
function mergeEnvs(
  hostname: string,
  imageEnv: readonly string[],
  podEnv: ProcessRequest['envs'],
): ImageProcess['envs'] {
  const merged = new Map([['HOSTNAME', hostname]]);
  for (const variable of imageEnv) {
    const equals = variable.indexOf('=');
    if (equals > 0) merged.set(variable.slice(0, equals), variable.slice(equals + 1));
  }
  for (const { key, value } of podEnv) merged.set(key, value);
  return [...merged].map(([key, value]) => ({ key, value }));
}

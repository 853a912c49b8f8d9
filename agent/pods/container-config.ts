import { resolveProcess } from '../../images/process.ts';
import type { Image } from '../../images/service.ts';
import type {
  ContainerConfig,
  GuestNetwork,
  LinuxContainerResources,
  LogLimits,
  Mount,
} from '../../runtime/service.ts';
import type { Container, Pod } from '../kube/types.ts';
import { resourcesFor } from './cgroup.ts';
import { expand, mappingFor } from './expansion.ts';
import { containerAnnotations, containerLabels } from './labels.ts';
import { containerLogPath } from './logs.ts';
import { milliValue, wholeValue } from './quantity.ts';
import { linuxSecurityContext } from './security-context.ts';

export interface ContainerConfigInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly image: Image;
  readonly restartCount: number;
  /** The value of HOSTNAME. */
  readonly hostname: string;
  /** From the pod's spec, made by the EnvironmentMaker. */
  readonly envs: readonly { readonly name: string; readonly value: string }[];
  readonly mounts: readonly Mount[];
  readonly logLimits: LogLimits;
  readonly network: GuestNetwork;
}

/**
 * What the runtime is told to run (kuberuntime_container.go, generateContainerConfig).
 * @throws WasmletError InvalidArgument when neither pod nor image says what to run
 */
export function containerConfig(input: ContainerConfigInput): ContainerConfig {
  const { pod, container, image, restartCount } = input;
  const mapping = mappingFor(new Map(input.envs.map(({ name, value }) => [name, value])));
  const expandAll = (words: readonly string[] = []): string[] => words.map((word) => expand(word, mapping));
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: {
      userSpecifiedImage: container.image ?? '',
      imageRef: image.id,
      ...(image.module === undefined ? {} : { module: image.module }),
      ...(image.tree === undefined ? {} : { tree: image.tree }),
    },
    ...resolveProcess(image, {
      command: expandAll(container.command),
      args: expandAll(container.args),
      workingDir: container.workingDir ?? '',
      envs: input.envs.map(({ name, value }) => ({ key: name, value })),
      hostname: input.hostname,
      stopSignal: container.lifecycle?.stopSignal,
      reference: container.image ?? '',
    }),
    mounts: input.mounts,
    labels: containerLabels(pod, container),
    annotations: containerAnnotations(pod, container, restartCount, image.repoDigests[0] ?? image.id),
    logPath: containerLogPath(container.name, restartCount),
    logLimits: input.logLimits,
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    resources: resourcesOf(container),
    network: input.network,
    securityContext: linuxSecurityContext(pod, container, image),
  };
}

/** kuberuntime_container_linux.go, calculateLinuxResources. */
function resourcesOf({ resources }: Container): LinuxContainerResources {
  const cpuLimit = milliValue(resources?.limits?.['cpu']);
  const cpuRequest = milliValue(resources?.requests?.['cpu'] ?? resources?.limits?.['cpu']);
  return resourcesFor(cpuRequest, cpuLimit, wholeValue(resources?.limits?.['memory']));
}

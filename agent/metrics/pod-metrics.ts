import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Container } from '../../runtime/service.ts';
import type { StatsProvider } from '../stats/provider.ts';
import type { FamilySpec, MetricFamily } from './exposition.ts';

const gauge = (name: string, labels: readonly string[], help: string): FamilySpec => ({
  name,
  type: 'gauge',
  labels,
  help,
});

/** How many pods and containers there are, counted when somebody asks. */
export const POD_FAMILIES = {
  runningPods: gauge('kubelet_running_pods', [], 'Pods whose sandbox is ready.'),
  runningContainers: gauge(
    'kubelet_running_containers',
    ['container_state'],
    'Containers that the runtime knows: created, running, exited or unknown.',
  ),
  desiredPods: gauge(
    'kubelet_desired_pods',
    ['static'],
    'Pods that this node is to run; static ones are of manifests.',
  ),
  activePods: gauge('kubelet_active_pods', ['static'], 'Pods whose requests count against what the node has.'),
  mirrorPods: gauge('kubelet_mirror_pods', [], 'Pods in the API that stand for static pods of this node.'),
  workingPods: gauge(
    'kubelet_working_pods',
    ['lifecycle', 'config', 'static'],
    'Pods that there is work on: sync, terminating or terminated; orphans are in no list of the API any more.',
  ),
} as const;

/** A pod of this node, as far as it is counted. */
export interface CountedPod {
  readonly isStatic: boolean;
  readonly isActive: boolean;
  /** Whether the API server, or a manifest, still has it. */
  readonly isDesired: boolean;
  readonly lifecycle: 'sync' | 'terminating' | 'terminated';
}

const STATES: Readonly<Record<Container['state'], string>> = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown',
};
const LIFECYCLES = ['sync', 'terminating', 'terminated'] as const;

/** pkg/kubelet/kubelet_pods.go, HandlePodCleanups, and pkg/kubelet/pleg. Without the runtime, what it knows is left out. */
export async function podFamilies(
  pods: readonly CountedPod[],
  provider: StatsProvider,
  logger: Logger,
): Promise<MetricFamily[]> {
  return [...countFamilies(pods), ...(await runtimeFamilies(provider, logger))];
}

function countFamilies(pods: readonly CountedPod[]): MetricFamily[] {
  const F = POD_FAMILIES;
  const countOf = (matches: (pod: CountedPod) => boolean): number => pods.filter(matches).length;
  const staticOrNot = (spec: FamilySpec, matches: (pod: CountedPod) => boolean): MetricFamily => ({
    spec,
    samples: [false, true].map((isStatic) => ({
      labelValues: [isStatic ? 'true' : ''],
      value: countOf((pod) => pod.isStatic === isStatic && matches(pod)),
    })),
  });
  const working = LIFECYCLES.flatMap((lifecycle) =>
    [true, false].flatMap((isDesired) =>
      [false, true].map((isStatic) => ({
        labelValues: [lifecycle, isDesired ? 'desired' : 'orphan', isStatic ? 'true' : ''],
        value: countOf(
          (pod) => pod.lifecycle === lifecycle && pod.isDesired === isDesired && pod.isStatic === isStatic,
        ),
      })),
    ),
  );
  return [
    staticOrNot(F.desiredPods, ({ isDesired }) => isDesired),
    staticOrNot(F.activePods, ({ isActive }) => isActive),
    { spec: F.mirrorPods, samples: [{ labelValues: [], value: countOf(({ isStatic }) => isStatic) }] },
    { spec: F.workingPods, samples: working },
  ];
}

async function runtimeFamilies(provider: StatsProvider, logger: Logger): Promise<MetricFamily[]> {
  try {
    const { sandboxes, containers } = await provider.runtimeReading();
    const ready = new Set(
      sandboxes.filter(({ state }) => state === 'SANDBOX_READY').map(({ metadata }) => metadata.uid),
    );
    return [
      { spec: POD_FAMILIES.runningPods, samples: [{ labelValues: [], value: ready.size }] },
      {
        spec: POD_FAMILIES.runningContainers,
        samples: Object.entries(STATES).map(([state, name]) => ({
          labelValues: [name],
          value: containers.filter((container) => container.state === state).length,
        })),
      },
    ];
  } catch (error) {
    logger.warn('the runtime could not be asked for /metrics', { error: messageOf(error) });
    return [];
  }
}

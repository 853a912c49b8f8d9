import type { Image, ImageService } from '../../images/service.ts';
import type { RuntimeService } from '../../runtime/service.ts';
import type { AgentMetrics } from './agent-metrics.ts';

type Operations<Service> = Partial<Record<Exclude<keyof Service, symbol>, string>>;

/** The kubelet's names of CRI's calls (pkg/kubelet/kuberuntime/instrumented_services.go). */
const RUNTIME_OPERATIONS = {
  version: 'version',
  status: 'status',
  runPodSandbox: 'run_podsandbox',
  stopPodSandbox: 'stop_podsandbox',
  removePodSandbox: 'remove_podsandbox',
  podSandboxStatus: 'podsandbox_status',
  listPodSandbox: 'list_podsandbox',
  createContainer: 'create_container',
  startContainer: 'start_container',
  stopContainer: 'stop_container',
  removeContainer: 'remove_container',
  containerStatus: 'container_status',
  listContainers: 'list_containers',
  listContainerStats: 'list_container_stats',
  execSync: 'exec_sync',
} satisfies Operations<RuntimeService>;

const IMAGE_OPERATIONS = {
  imageStatus: 'image_status',
  listImages: 'list_images',
  pullImage: 'pull_image',
  removeImage: 'remove_image',
  imageFsInfo: 'image_fs_info',
} satisfies Operations<ImageService>;

/** The same runtime; its calls are counted and timed. */
export const measuredRuntime = <Runtime extends RuntimeService>(runtime: Runtime, metrics: AgentMetrics): Runtime =>
  measured(runtime, RUNTIME_OPERATIONS, (operation, args, seconds, outcome) => {
    record(metrics, operation, seconds, 'error' in outcome);
    if (operation !== 'run_podsandbox') return;
    // kuberuntime/instrumented_services.go: RunPodSandbox has metrics of its own, by handler.
    const labels = { runtime_handler: String(args[1]) };
    metrics.runPodSandboxDuration.observe(labels, seconds);
    if ('error' in outcome) metrics.runPodSandboxErrors.inc(labels);
  });

/** The same images; calls are counted and timed, and pulls by the size of the image. */
export const measuredImages = <Images extends ImageService>(images: Images, metrics: AgentMetrics): Images =>
  measured(images, IMAGE_OPERATIONS, (operation, _args, seconds, outcome) => {
    record(metrics, operation, seconds, 'error' in outcome);
    if (operation !== 'pull_image' || 'error' in outcome) return;
    const { size } = outcome.value as Image;
    metrics.imagePullDuration.observe({ image_size_in_bytes: imageSizeBucket(size) }, seconds);
  });

type Outcome = { readonly value: unknown } | { readonly error: unknown };
type OnEnd = (operation: string, args: readonly unknown[], seconds: number, outcome: Outcome) => void;

function record(metrics: AgentMetrics, operation: string, seconds: number, failed: boolean): void {
  const labels = { operation_type: operation };
  metrics.runtimeOperations.inc(labels);
  metrics.runtimeOperationsDuration.observe(labels, seconds);
  if (failed) metrics.runtimeOperationsErrors.inc(labels);
}

function measured<Service extends object>(
  service: Service,
  operations: Readonly<Record<string, string>>,
  onEnd: OnEnd,
): Service {
  const byName = new Map<string | symbol, string>(Object.entries(operations));
  return new Proxy(service, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      const operation = byName.get(name);
      // Methods reach the private parts of their own object, not of a proxy of it.
      const method = member.bind(target) as (...args: unknown[]) => unknown;
      if (operation === undefined) return method;
      return async (...args: unknown[]): Promise<unknown> => {
        const startedAt = performance.now();
        const seconds = (): number => (performance.now() - startedAt) / 1000;
        try {
          const value = await method(...args);
          onEnd(operation, args, seconds(), { value });
          return value;
        } catch (error) {
          onEnd(operation, args, seconds(), { error });
          throw error;
        }
      };
    },
  });
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
/** pkg/kubelet/metrics/metrics.go, imageSizeBuckets: an image belongs to the last whose bound it exceeds. */
const IMAGE_SIZES: readonly (readonly [above: number, label: string])[] = [
  [100 * GIB, 'GT100GB'],
  [60 * GIB, '60GB-100GB'],
  [40 * GIB, '40GB-60GB'],
  [30 * GIB, '30GB-40GB'],
  [20 * GIB, '20GB-30GB'],
  [10 * GIB, '10GB-20GB'],
  [5 * GIB, '5GB-10GB'],
  [GIB, '1GB-5GB'],
  [500 * MIB, '500MB-1GB'],
  [100 * MIB, '100MB-500MB'],
  [10 * MIB, '10MB-100MB'],
  [0, '0-10MB'],
];

const imageSizeBucket = (bytes: number): string => IMAGE_SIZES.find(([above]) => bytes > above)?.[1] ?? 'N/A';

import { expect, test } from 'vitest';
import { WasmletError } from '../../base/errors.ts';
import type { Image, ImageService } from '../../images/service.ts';
import { parsePrometheusText, valuesOf } from '../../test/support/prometheus-text.ts';
import type { PodSandboxConfig, RuntimeService } from '../../runtime/service.ts';
import { createAgentMetrics, familiesOf } from './agent-metrics.ts';
import { renderFamilies } from './exposition.ts';
import { measuredImages, measuredRuntime } from './measured.ts';

const read = (metrics: ReturnType<typeof createAgentMetrics>) =>
  parsePrometheusText(renderFamilies(familiesOf(metrics)));

/** With a private part, as the real one has: a proxy of it cannot reach that. */
class Runtime implements Partial<RuntimeService> {
  readonly #name = 'wasmlet';

  version(): Promise<{ version: string; runtimeName: 'wasmlet'; runtimeVersion: string }> {
    return Promise.resolve({ version: '1', runtimeName: this.#name, runtimeVersion: '1' } as const);
  }

  runPodSandbox(_config: PodSandboxConfig, handler: string): Promise<string> {
    return handler === 'none'
      ? Promise.reject(new WasmletError('InvalidArgument', 'no handler'))
      : Promise.resolve('id');
  }
}

test('calls of the runtime are counted and timed, those that fail too, and sandboxes by their handler', async () => {
  const metrics = createAgentMetrics();
  const runtime = measuredRuntime(new Runtime() as unknown as RuntimeService, metrics);
  expect((await runtime.version()).runtimeName).toBe('wasmlet');
  expect(await runtime.runPodSandbox({} as PodSandboxConfig, 'wasm')).toBe('id');
  await expect(runtime.runPodSandbox({} as PodSandboxConfig, 'none')).rejects.toThrow('no handler');
  const families = read(metrics);
  const operation_type = 'run_podsandbox';
  expect(valuesOf(families, 'kubelet_runtime_operations_total', { operation_type })).toEqual([2]);
  expect(valuesOf(families, 'kubelet_runtime_operations_total', { operation_type: 'version' })).toEqual([1]);
  expect(valuesOf(families, 'kubelet_runtime_operations_errors_total')).toEqual([1]);
  expect(valuesOf(families, 'kubelet_run_podsandbox_errors_total', { runtime_handler: 'none' })).toEqual([1]);
  const counts = families
    .get('kubelet_runtime_operations_duration_seconds')
    ?.series.filter(({ name }) => name.endsWith('_count'));
  expect(counts?.map(({ labels, value }) => [labels['operation_type'], value])).toEqual([
    ['version', 1],
    ['run_podsandbox', 2],
  ]);
});

test('pulls are told apart by the size of the image', async () => {
  const metrics = createAgentMetrics();
  const sizes = [1, 10 * 1024 ** 2 + 1, 200 * 1024 ** 3, 0];
  const images = measuredImages(
    { pullImage: () => Promise.resolve({ size: sizes.shift() } as Image) } as unknown as ImageService,
    metrics,
  );
  const options = { reference: 'a', dockerConfigs: [], signal: new AbortController().signal };
  while (sizes.length > 0) await images.pullImage(options);
  const pulls = read(metrics).get('kubelet_image_pull_duration_seconds')?.series ?? [];
  expect(new Set(pulls.map(({ labels }) => labels['image_size_in_bytes']))).toEqual(
    new Set(['0-10MB', '10MB-100MB', 'GT100GB', 'N/A']),
  );
});

import type { Config } from '../config/schema.ts';
import { findContainer, withRuntime } from './node-runtime.ts';

/** `wasmlet inspect`: all that the runtime knows of containers, as JSON: their status, their pod's sandbox, their usage. */
export async function inspectCommand(config: Config, ids: readonly string[]): Promise<void> {
  await withRuntime(config, async (runtime) => {
    for (const prefix of ids) {
      const { id, podSandboxId } = await findContainer(runtime, prefix);
      const [status, sandbox, [stats]] = await Promise.all([
        runtime.containerStatus(id),
        runtime.podSandboxStatus(podSandboxId),
        runtime.listContainerStats({ id }),
      ]);
      process.stdout.write(`${JSON.stringify({ status, sandbox, stats }, undefined, 2)}\n`);
    }
  });
}

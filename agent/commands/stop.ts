import type { Config } from '../config/schema.ts';
import { findContainer, withRuntime } from './node-runtime.ts';

/**
 * `wasmlet stop`: ends containers, SIGTERM first, and prints the id of each. What their pod's restart policy says
 * happens all the same, where an agent runs.
 * @param timeoutSeconds until SIGKILL
 */
export async function stopCommand(config: Config, ids: readonly string[], timeoutSeconds: number): Promise<void> {
  await withRuntime(config, async (runtime) => {
    for (const prefix of ids) {
      const { id } = await findContainer(runtime, prefix);
      await runtime.stopContainer(id, timeoutSeconds);
      process.stdout.write(`${id}\n`);
    }
  });
}

import type { Config } from '../config/schema.ts';
import { findContainer, withRuntime } from './node-runtime.ts';

/**
 * `wasmlet exec`: runs a command in a container, without input, and prints what it wrote once it has ended.
 * @param timeoutSeconds 0: none
 * @returns the command's exit code
 */
export async function execCommand(
  config: Config,
  idPrefix: string,
  command: readonly string[],
  timeoutSeconds: number,
): Promise<number> {
  return await withRuntime(config, async (runtime) => {
    const { id } = await findContainer(runtime, idPrefix);
    const { stdout, stderr, exitCode } = await runtime.execSync(id, command, timeoutSeconds);
    process.stdout.write(stdout);
    process.stderr.write(stderr);
    return exitCode;
  });
}

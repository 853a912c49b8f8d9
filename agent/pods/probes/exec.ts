import type { RuntimeService } from '../../../runtime/service.ts';
import { CommandFailed, CommandTimedOut, runInContainer, type ContainerCommand } from '../run-in-container.ts';
import { failure, MAX_OUTPUT_BYTES, success, type ProbeOutcome } from './outcome.ts';

const cut = (output: Buffer): string => output.subarray(0, MAX_OUTPUT_BYTES).toString();

/**
 * Probes by a command's exit code (pkg/probe/exec).
 * @throws Error when the command could not be run
 */
export async function checkExec(runtime: RuntimeService, command: ContainerCommand): Promise<ProbeOutcome> {
  try {
    return success(cut(await runInContainer(runtime, command)));
  } catch (error) {
    if (error instanceof CommandFailed) return failure(cut(error.output));
    if (error instanceof CommandTimedOut) return failure(error.message);
    throw error;
  }
}

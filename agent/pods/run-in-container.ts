import { messageOf, WasmletError } from '../../base/errors.ts';
import type { RuntimeService } from '../../runtime/service.ts';
import { goDuration } from './backoff.ts';
import { runtimeErrorText } from './go-words.ts';

/** A command that ended with another code than 0. */
export class CommandFailed extends Error {
  readonly output: Buffer;

  constructor(command: readonly string[], exitCode: number, stderr: string, output: Buffer) {
    super(`command '${command.join(' ')}' exited with ${exitCode}: ${stderr}`);
    this.name = 'CommandFailed';
    this.output = output;
  }
}

/** A command that was killed after its time. */
export class CommandTimedOut extends Error {
  constructor(command: readonly string[], seconds: number) {
    const text = JSON.stringify(command.join(' '));
    super(`command timed out: ${text} timed out after ${goDuration(seconds * 1000)}`);
    this.name = 'CommandTimedOut';
  }
}

export interface ContainerCommand {
  readonly containerId: string;
  readonly command: readonly string[];
  /** 0: none. */
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
}

/**
 * Runs a command in a container and waits for it (kuberuntime_container.go, RunInContainer, with what
 * cri-client/pkg/remote_runtime.go makes of errors).
 * @returns what it wrote: stdout, then stderr
 * @throws CommandFailed, CommandTimedOut; an Error in gRPC's words when it could not be run
 */
export async function runInContainer(runtime: RuntimeService, request: ContainerCommand): Promise<Buffer> {
  const { containerId, command, timeoutSeconds, signal } = request;
  const { stdout, stderr, exitCode } = await execSync(runtime, containerId, command, timeoutSeconds, signal);
  const output = Buffer.concat([stdout, stderr]);
  if (exitCode === 0) return output;
  throw new CommandFailed(command, exitCode, Buffer.from(stderr).toString(), output);
}

async function execSync(runtime: RuntimeService, ...call: Parameters<RuntimeService['execSync']>) {
  try {
    return await runtime.execSync(...call);
  } catch (error) {
    const [, command, seconds] = call;
    if (!(error instanceof WasmletError)) throw error;
    if (error.code === 'DeadlineExceeded') throw new CommandTimedOut(command, seconds);
    throw new Error(runtimeErrorText(error.code, messageOf(error)), { cause: error });
  }
}

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { CommandOptions, CommandResult } from './command.ts';
import { run, runOrThrow } from './command.ts';

export type KubectlOptions = Pick<CommandOptions, 'input' | 'signal' | 'timeoutMs'>;

/** A running kubectl whose output is read while it comes (`logs -f`, `get -w`). */
export interface KubectlStream extends AsyncDisposable {
  /** Standard output line by line; ends with the process. To be iterated once. */
  readonly lines: AsyncIterable<string>;
  /** Resolves when the process has ended. */
  readonly ended: Promise<{ exitCode: number | null; stderr: string }>;
}

/** The real kubectl, with one kubeconfig. */
export interface Kubectl {
  /** Runs kubectl and returns what it said, whatever its exit code. */
  (args: readonly string[], options?: KubectlOptions): Promise<CommandResult>;
  /** Runs kubectl and returns its standard output. @throws WasmletError Internal when it fails */
  ok(args: readonly string[], options?: KubectlOptions): Promise<string>;
  /** Starts kubectl and hands its output over as it comes. Dispose the stream to kill it. */
  stream(args: readonly string[]): KubectlStream;
}

/**
 * @param path the kubectl binary
 * @param kubeconfig file with the credentials
 * @param cache folder for its discovery cache, so that nothing is left in the home folder
 */
export function createKubectl(path: string, kubeconfig: string, cache: string): Kubectl {
  const env = { ...process.env, KUBECONFIG: kubeconfig, KUBECACHEDIR: cache };
  return Object.assign(
    (args: readonly string[], options: KubectlOptions = {}) => run(path, args, { ...options, env }),
    {
      ok: async (args: readonly string[], options: KubectlOptions = {}) =>
        (await runOrThrow(path, args, { ...options, env })).stdout,
      stream: (args: readonly string[]) => startStream(path, args, env),
    },
  );
}

function startStream(path: string, args: readonly string[], env: NodeJS.ProcessEnv): KubectlStream {
  const child = spawn(path, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<{ exitCode: number | null; stderr: string }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode) => resolve({ exitCode, stderr }));
  });
  // Who does not ask how it ended is not told by an unhandled rejection.
  ended.catch(() => undefined);
  return {
    lines: createInterface({ input: child.stdout, crlfDelay: Infinity }),
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended.catch(() => undefined);
    },
  };
}

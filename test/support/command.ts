import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { messageOf, WasmletError } from '../../base/errors.ts';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to standard input; without it, standard input is empty. */
  readonly input?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** Milliseconds until the command is killed and the promise is rejected; default 60 s. */
  readonly timeoutMs?: number;
  /** What ends it early; default SIGKILL. For one that has something to clean up, SIGINT. */
  readonly killSignal?: NodeJS.Signals;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code, or 128 plus the number of the signal that ended it. */
  readonly exitCode: number;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/**
 * Runs a command to its end.
 * @throws WasmletError DeadlineExceeded after the time-out, Cancelled by the signal, NotFound when it cannot be started
 */
export async function run(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const name = `${command} ${args.join(' ')}`.slice(0, 200);
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['pipe', 'pipe', 'pipe'],
    signal,
    killSignal: options.killSignal ?? 'SIGKILL',
  });
  // A command that ends before it has read its input is no fault of ours.
  child.stdin.on('error', () => undefined).end(options.input);
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signalName) => resolve(code ?? 128 + signalNumber(signalName)));
  });
  try {
    const [exitCode, stdout, stderr] = await Promise.all([ended, textOf(child.stdout), textOf(child.stderr)]);
    return { stdout, stderr, exitCode };
  } catch (cause) {
    if (timeout.aborted) {
      throw new WasmletError('DeadlineExceeded', `${name}: no end after ${timeoutMs / 1000} s`, { cause });
    }
    if (options.signal?.aborted) throw new WasmletError('Cancelled', `${name}: given up`, { cause });
    throw new WasmletError('NotFound', `${name}: cannot be run: ${messageOf(cause)}`, { cause });
  }
}

/**
 * Runs a command that has to succeed.
 * @throws WasmletError Internal, with the end of what it said, when its exit code is not 0
 */
export async function runOrThrow(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const result = await run(command, args, options);
  const { stdout, stderr, exitCode } = result;
  if (exitCode !== 0) {
    const said = (stderr.trim() || stdout.trim()).split('\n').slice(-30).join('\n');
    throw new WasmletError('Internal', `${command} ${args.join(' ')}: exit code ${exitCode}\n${said}`);
  }
  return result;
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_OUTPUT_BYTES) throw new Error(`more than ${MAX_OUTPUT_BYTES} bytes of output`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function signalNumber(name: NodeJS.Signals | null): number {
  return { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }[name as string] ?? 0;
}

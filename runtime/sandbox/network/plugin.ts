import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { WasmletError } from '../../../base/errors.ts';

/**
 * Runs a CNI plugin: a program that is told what to do by its environment and its standard input, and answers on its
 * standard output (https://www.cni.dev/docs/spec/#section-2-execution-protocol). Errors have libcni's words, which are
 * what people search for.
 */

/** As long as the kubelet waits at most for a sandbox, over the number of plugins that a long chain has. */
export const PLUGIN_TIMEOUT_MS = 40_000;

/** Bytes of each stream; a plugin that writes more is ended. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** Plugins call iptables, ip and the like, which lie here. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface PluginCall {
  readonly command: 'ADD' | 'CHECK' | 'DEL';
  readonly type: string;
  /** What the plugin reads: its configuration with all that the runtime adds. */
  readonly config: object;
  /** CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME, CNI_ARGS. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where plugins are. */
  readonly binDir: string;
  readonly timeoutMs?: number;
}

const errorResult = z.object({ code: z.number(), msg: z.string(), details: z.string().default('') });

/**
 * Looks a plugin up.
 * @returns its path
 * @throws WasmletError NotFound when there is no such program
 */
export async function findPlugin(type: string, binDir: string): Promise<string> {
  const path = join(binDir, type);
  try {
    await access(path, constants.X_OK);
    return path;
  } catch (cause) {
    throw new WasmletError('NotFound', `failed to find plugin "${type}" in path [${binDir}]`, { cause });
  }
}

/**
 * Runs a plugin to its end.
 * @returns what it has answered; undefined where that is nothing
 * @throws WasmletError NotFound when there is no such plugin; FailedPrecondition with what it says when it fails;
 *   DeadlineExceeded
 */
export async function runPlugin({ command, type, config, environment, binDir, ...call }: PluginCall): Promise<unknown> {
  const path = await findPlugin(type, binDir);
  const { stdout, stderr, end } = await run(path, {
    input: JSON.stringify(config),
    env: { PATH: process.env['PATH'] ?? SYSTEM_PATH, ...environment, CNI_COMMAND: command, CNI_PATH: binDir },
    timeoutMs: call.timeoutMs ?? PLUGIN_TIMEOUT_MS,
  });
  if (end !== 'exit status 0') throw new WasmletError('FailedPrecondition', failureOf(stdout, stderr, end));
  if (stdout.trim() === '') return undefined;
  try {
    return JSON.parse(stdout) as unknown;
  } catch (cause) {
    throw new WasmletError('FailedPrecondition', `the plugin's answer is not JSON: ${stdout.slice(0, 200)}`, { cause });
  }
}

/** What a plugin that has failed says of it (libcni, invoke/raw_exec.go). */
function failureOf(stdout: string, stderr: string, end: string): string {
  if (stdout === '') {
    return stderr === '' ? `netplugin failed with no error message: ${end}` : `netplugin failed: ${quote(stderr)}`;
  }
  try {
    const { msg, details } = errorResult.parse(JSON.parse(stdout));
    return details === '' ? msg : `${msg}; ${details}`;
  } catch {
    return `netplugin failed but error parsing its diagnostic message ${quote(stdout)}`;
  }
}

const quote = (text: string): string => JSON.stringify(text.trim().slice(0, 1000));

interface Run {
  readonly input: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

/** Runs a program in a process group of its own, so that what it has started ends with it. */
async function run(path: string, { input, env, timeoutMs }: Run) {
  const child = spawn(path, [], { env, cwd: '/', detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  const stdout = collect(child, child.stdout);
  const stderr = collect(child, child.stderr);
  const closed = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal === null ? `exit status ${code}` : `signal: ${signal}`));
  });
  // A plugin need not read.
  child.stdin.on('error', () => undefined).end(input);
  const expired = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    killGroup(child);
    expired.reject(new WasmletError('DeadlineExceeded', `the plugin did not end within ${timeoutMs / 1000} s`));
  }, timeoutMs);
  try {
    const end = await Promise.race([closed, expired.promise]);
    return { stdout: stdout(), stderr: stderr(), end };
  } finally {
    clearTimeout(timer);
  }
}

function collect(child: ChildProcess, stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let length = 0;
  stream.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= MAX_OUTPUT_BYTES) chunks.push(chunk);
    else killGroup(child);
  });
  return () => Buffer.concat(chunks).toString();
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

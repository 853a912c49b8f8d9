import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, WasmletError } from '../../base/errors.ts';

export interface ServerOptions {
  /** How it is called in messages. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** File that its standard output and error go to. */
  readonly logFile: string;
}

/** A process of ours that serves until it is disposed: SIGTERM, and SIGKILL when that is not heeded. */
export interface ServerProcess extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process has ended, with how. */
  readonly ended: Promise<string>;
  /** The last lines of its log. */
  tail(): Promise<string>;
  /**
   * Asks again and again until the answer is true.
   * @throws WasmletError Unavailable, with the tail of the log, when the process ends or the time is up first
   */
  untilReady(ready: () => Promise<boolean>, timeoutMs: number): Promise<void>;
}

const TERM_MS = 10_000;
const POLL_MS = 50;
const TAIL_LINES = 25;

/**
 * Starts a server in a session of its own: Ctrl-C in the terminal reaches its owner alone, who ends it in good order.
 * @throws WasmletError Unavailable when it cannot be started
 */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { name, logFile } = options;
  const log = await open(logFile, 'a');
  let child: ChildProcess;
  try {
    child = spawn(options.command, options.args, {
      env: options.env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
  } finally {
    await log.close();
  }
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${String(code)}` : signal));
    child.once('error', (error) => resolve(messageOf(error)));
  });
  const tail = async () => (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  const unavailable = async (why: string) =>
    new WasmletError('Unavailable', `${name} ${why}; the end of its log:\n${await tail()}`);
  const { pid } = child;
  if (pid === undefined) throw await unavailable(`cannot be started: ${await ended}`);
  return {
    name,
    pid,
    ended,
    tail,
    untilReady: async (ready, timeoutMs) => {
      const deadline = performance.now() + timeoutMs;
      const end: { how?: string } = {};
      void ended.then((how) => (end.how = how));
      while (!(await ready())) {
        if (end.how !== undefined) throw await unavailable(`ended (${end.how})`);
        if (performance.now() > deadline) throw await unavailable(`is not ready after ${timeoutMs / 1000} s`);
        await delay(POLL_MS);
      }
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), TERM_MS);
      await ended;
      clearTimeout(kill);
    },
  };
}

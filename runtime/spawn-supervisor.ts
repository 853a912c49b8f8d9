import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { WasmletError } from '../base/errors.ts';
import type { ConnectRuntimeOptions } from './client.ts';
import { RuntimeConnection } from './connection.ts';

const START_TIMEOUT_MS = 60_000;
const RETRY_MS = 25;
const MAX_REPORTED_LOG = 2000;

/** From the repository the supervisor runs as TypeScript; published, its bundle stands beside this one. */
function supervisorCode(): string {
  const here = fileURLToPath(import.meta.url);
  return here.endsWith('.ts') ? join(dirname(here), 'supervisor', 'main.ts') : join(dirname(here), 'supervisor.mjs');
}

/**
 * Starts a supervisor that outlives this process, and connects to it. When several do so at once, all but one of the
 * supervisors end again (base/lock.ts), and all clients find the one that is left.
 * @throws WasmletError Unavailable when none answers in time; the message has the end of its log
 */
export async function startSupervisor(options: ConnectRuntimeOptions): Promise<RuntimeConnection> {
  const { root, socket, logger } = options;
  const folder = join(root, 'runtime');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const logPath = join(folder, 'supervisor.log');
  const start = () => spawnDetached(supervisorCommand(options), root, logPath);
  let child = start();
  logger.info('started a runtime supervisor', { socket, log: logPath });
  const deadline = AbortSignal.timeout(START_TIMEOUT_MS);
  for (;;) {
    const connection = await RuntimeConnection.open(socket);
    if (connection) return connection;
    if (deadline.aborted || child.state === 'failed') break;
    // It found another, which answers nobody and so is about to end; or somebody has killed it.
    if (child.state === 'gone') child = start();
    await delay(RETRY_MS);
  }
  const log = await readFile(logPath, 'utf8').catch(() => '');
  throw new WasmletError(
    'Unavailable',
    `the runtime supervisor does not start; the end of ${logPath}:\n${log.slice(-MAX_REPORTED_LOG)}`,
  );
}

function supervisorArguments(options: ConnectRuntimeOptions): string[] {
  const { root, socket, handlers, defaultHandler, supervisor, userIds, cni } = options;
  return [
    ...[supervisor ?? supervisorCode(), '--root', root, '--socket', socket],
    ...['--handlers', JSON.stringify(handlers), '--default-handler', defaultHandler],
    ...['--bounded-stderr', '--end-when-unused'],
    ...(userIds ? ['--user-ids', JSON.stringify(userIds)] : []),
    ...(cni ? ['--cni-conf-dir', cni.confDir, '--cni-bin-dir', cni.binDir] : []),
  ];
}

function supervisorCommand(options: ConnectRuntimeOptions): string[] {
  // node:ffi says of itself that it is experimental.
  const node = [process.execPath, '--disable-warning=ExperimentalWarning'];
  return [...(options.launcher ?? []), ...node, ...supervisorArguments(options)];
}

/** What a supervisor may know of its agent's environment: nothing that could be a secret. */
const KEPT_VARIABLES = ['PATH', 'TZ', 'LANG', 'TMPDIR', 'ESBUILD_BINARY_PATH'];

interface StartedSupervisor {
  /** 'gone': it found another supervisor, or was ended by a signal. 'failed': its log says why. */
  state: 'running' | 'gone' | 'failed';
}

function spawnDetached([program = '', ...args]: string[], root: string, logPath: string): StartedSupervisor {
  const result: StartedSupervisor = { state: 'running' };
  const log = openSync(logPath, 'a', 0o600);
  try {
    const child = spawn(program, args, {
      // Tells whose it is in /proc/PID/cwd, where several nodes share a machine.
      cwd: root,
      detached: true,
      env: Object.fromEntries(KEPT_VARIABLES.flatMap((name) => entryOf(name))),
      stdio: ['ignore', 'ignore', log],
    });
    child.on('error', () => (result.state = 'failed'));
    child.on('exit', (code) => (result.state = code === 0 || code === null ? 'gone' : 'failed'));
    child.unref();
  } finally {
    closeSync(log);
  }
  return result;
}

function entryOf(name: string): [string, string][] {
  const value = process.env[name];
  return value === undefined ? [] : [[name, value]];
}

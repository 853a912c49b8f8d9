import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Carried in the environment of every process that a scratch folder's owner starts, and so by their children too: by
 * it the watchdog knows whom to end.
 */
export const OWNER_VARIABLE = 'WASMLET_TEST_OWNER';

/** A temporary folder and a mark for processes, neither of which outlives this process, however it ends. */
export interface Scratch extends AsyncDisposable {
  readonly folder: string;
  /** To be added to the environment of every process started. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Makes a scratch folder, guarded by a watchdog: a small process of its own session, so that neither Ctrl-C nor the
 * end of a terminal reaches it. When this process dies without disposing the scratch, also by `kill -9`, the watchdog
 * sees its pipe close, kills every process that carries the mark, and removes the folder.
 * @param prefix the start of the folder's name
 */
export async function createScratch(prefix: string): Promise<Scratch> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  const mark = randomBytes(12).toString('hex');
  const watchdog = spawn(process.execPath, [join(import.meta.dirname, 'watchdog-main.ts'), mark, folder], {
    detached: true,
    // Not with the mark of a scratch around this one: its watchdog would end this one before its work is done.
    env: { ...process.env, [OWNER_VARIABLE]: undefined },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const ended = new Promise<void>((resolve) => watchdog.once('exit', () => resolve()).once('error', () => resolve()));
  watchdog.stdin.on('error', () => undefined);
  // The watchdog must not keep alive a process that has nothing else to do.
  watchdog.unref();
  (watchdog.stdin as unknown as { unref(): void }).unref();
  return {
    folder,
    env: { [OWNER_VARIABLE]: mark },
    [Symbol.asyncDispose]: async () => {
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      watchdog.ref();
      watchdog.stdin.end('done');
      await ended;
    },
  };
}

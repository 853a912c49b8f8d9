import { messageOf } from '../../base/errors.ts';

/**
 * Runs a program that a person may end with Ctrl-C: the signal that it gets is aborted by SIGINT, SIGTERM or SIGHUP. What
 * it throws is told, and is exit code 1, unless it was ended so.
 * @param name what was called, for its last words: 'npm start'
 */
export async function runProgram(name: string, main: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const ended = new AbortController();
  for (const each of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(each, () => ended.abort());
  // While it waits for the signal nothing else may keep the process up.
  const alive = setInterval(() => undefined, 2 ** 30);
  try {
    await main(ended.signal);
  } catch (error) {
    if (ended.signal.aborted) return;
    process.stderr.write(`\n${name} failed: ${messageOf(error)}\n`);
    process.exitCode = 1;
  } finally {
    clearInterval(alive);
  }
}

import { WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';

/** Exit code of a process that a second signal ended before its work was in order. */
const HURRIED = 130;

/**
 * Runs a long-lived command: the first SIGTERM or SIGINT asks it to end through its signal, the second ends the process
 * at once.
 */
export async function endOnSignals(logger: Logger, run: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(HURRIED);
    logger.info('ending; a second signal ends at once', { signal: name });
    controller.abort(new Error(name));
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  try {
    await run(controller.signal);
  } finally {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
  }
}

/** Runs work of the command line that SIGINT or SIGTERM gives up. */
export async function untilInterrupted<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => controller.abort(new WasmletError('Cancelled', `given up: ${name}`));
  process.once('SIGTERM', onSignal).once('SIGINT', onSignal);
  try {
    return await run(controller.signal);
  } finally {
    process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
  }
}

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

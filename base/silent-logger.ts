import type { Logger } from './log.ts';

/** A logger that writes nothing, for tests and for library use; without the library that writes. */
export const silentLogger: Logger = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLogger,
};

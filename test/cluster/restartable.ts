import type { ServerProcess } from '../support/server-process.ts';

/** A server of a test that may go and come back. */
export interface Restartable extends AsyncDisposable {
  /** kill -9; resolves when it has ended. */
  kill(): Promise<void>;
  /** Starts it again, once it has been killed. */
  start(): Promise<void>;
}

/**
 * @param running the server as it was started first
 * @param again starts the next one, where the last one was
 */
export function restartable(running: ServerProcess, again: () => Promise<ServerProcess>): Restartable {
  let server = running;
  return {
    kill: async () => {
      process.kill(server.pid, 'SIGKILL');
      await server.ended;
    },
    start: async () => {
      server = await again();
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

import type { ServerProcess } from '../support/server-process.ts';

/** The API server of a cluster of ours, for tests of its outages. */
export interface ApiServer extends AsyncDisposable {
  /** kill -9; resolves when it has ended. */
  kill(): Promise<void>;
  /** Starts it again with the same data on the same port; resolves when it is ready. */
  start(): Promise<void>;
}

/**
 * @param running the server as it was started first
 * @param again starts the next one and waits until it is ready
 */
export function restartable(running: ServerProcess, again: () => Promise<ServerProcess>): ApiServer {
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

import { once } from 'node:events';
import { silentLogger } from '../../base/silent-logger.ts';
import type { Config } from '../config/schema.ts';
import { openLogReader } from '../server/logs/reader.ts';
import { findContainer, withRuntime } from './node-runtime.ts';

export interface LogsOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** Entries from the end. */
  readonly tail?: number;
}

/** `wasmlet logs`: what a container has written, and with `follow` what it writes until it ends. */
export async function logsCommand(config: Config, idPrefix: string, options: LogsOptions): Promise<void> {
  const { follow, timestamps, tail } = options;
  await withRuntime(config, async (runtime) => {
    const { id } = await findContainer(runtime, idPrefix);
    const { logPath } = await runtime.containerStatus(id);
    const running = async () => (await runtime.containerStatus(id)).state === 'CONTAINER_RUNNING';
    const query = { follow, timestamps, stream: 'All', ...(tail === undefined ? {} : { tailLines: tail }) } as const;
    const closed = new AbortController();
    // A pipe whose reader has seen enough.
    process.stdout.once('error', () => closed.abort());
    const context = { signal: closed.signal, logger: silentLogger };
    await using reader = await openLogReader({ path: logPath, running }, query, context);
    for await (const chunk of reader.chunks()) {
      // A chunk is valid until the next is asked for.
      if (!process.stdout.write(Buffer.from(chunk))) await once(process.stdout, 'drain', { signal: closed.signal });
    }
  });
}

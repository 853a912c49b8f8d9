import { fstatSync, ftruncateSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { hasCode, messageOf } from '../../base/errors.ts';
import { createLogger } from '../../base/log.ts';
import { userIds } from '../schemas.ts';
import { runSupervisor } from './run.ts';

/**
 * The supervisor as a process of its own, as connectRuntime starts it. Whatever its options, a second one on the same
 * root ends by itself.
 */

const STDERR = 2;

/** The file that an agent has given for stderr grows for as long as the node runs. */
const MAX_LOG_BYTES = 4 * 1024 * 1024;
const LOG_CHECK_MS = 60_000;

const options = z.object({
  root: z.string(),
  socket: z.string(),
  'default-handler': z.string(),
  handlers: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(
      z.record(
        z.string(),
        z.object({ engine: z.enum(['v8', 'interpreter']), isolation: z.enum(['process', 'shared']) }),
      ),
    ),
  'user-ids': z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(userIds)
    .optional(),
  'cni-conf-dir': z.string().default(''),
  'cni-bin-dir': z.string().default(''),
  'bounded-stderr': z.boolean().default(false),
  'end-when-unused': z.boolean().default(false),
});

/** Begins the log anew when it has grown too large. */
function boundStderr(): void {
  setInterval(() => {
    const { size } = fstatSync(STDERR);
    if (size > MAX_LOG_BYTES) ftruncateSync(STDERR);
  }, LOG_CHECK_MS).unref();
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      root: { type: 'string' },
      socket: { type: 'string' },
      handlers: { type: 'string' },
      'default-handler': { type: 'string' },
      'user-ids': { type: 'string' },
      'cni-conf-dir': { type: 'string' },
      'cni-bin-dir': { type: 'string' },
      'bounded-stderr': { type: 'boolean' },
      'end-when-unused': { type: 'boolean' },
    },
  });
  const parsed = options.parse(values);
  const confDir = parsed['cni-conf-dir'];
  if (parsed['bounded-stderr']) boundStderr();
  const logger = createLogger({ level: 'info', format: 'json' });
  const ended = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ended.abort());
  try {
    await runSupervisor(
      {
        root: parsed.root,
        socket: parsed.socket,
        handlers: parsed.handlers,
        defaultHandler: parsed['default-handler'],
        endWhenUnused: parsed['end-when-unused'],
        ...(parsed['user-ids'] ? { userIds: parsed['user-ids'] } : {}),
        ...(confDir === '' ? {} : { cni: { confDir, binDir: parsed['cni-bin-dir'] } }),
        logger,
      },
      ended.signal,
    );
    return 0;
  } catch (error) {
    if (hasCode(error, 'AlreadyExists')) return 0;
    logger.error('the runtime supervisor cannot run', { error: messageOf(error) });
    return 1;
  }
}

process.title = 'wasmlet-supervisor';
process.exit(await main());

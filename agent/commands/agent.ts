import { createLogger } from '../../base/log.ts';
import { runAgent } from '../agent.ts';
import type { Config } from '../config/schema.ts';
import { endOnSignals } from './signals.ts';

/** `wasmlet agent`: runs the node agent until SIGTERM or SIGINT. */
export async function agentCommand(config: Config): Promise<void> {
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  await endOnSignals(logger, (signal) => runAgent(config, { logger, signal }));
}

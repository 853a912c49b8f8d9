import { createLogger } from '../../base/log.ts';
import { runtimeSocketOf, type Config } from '../config/schema.ts';
import { hostUserIds } from '../node/user-ids.ts';
import { endOnSignals } from './signals.ts';

/** `wasmlet runtime`: runs the runtime supervisor in the foreground, for a service manager of its own. */
export async function runtimeCommand(config: Config): Promise<void> {
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  // Loaded here, so that the agent's process never carries the supervisor's code.
  const { runSupervisor } = await import('../../runtime/supervisor/run.ts');
  const userIds = hostUserIds(config);
  const options = {
    root: config.rootDir,
    socket: runtimeSocketOf(config),
    handlers: config.runtimeHandlers,
    defaultHandler: config.defaultRuntimeHandler,
    maxContainersPerHost: config.maxContainersPerHost,
    posixExtension: config.posixExtension,
    confinement: config.confinement,
    ...(userIds ? { userIds } : {}),
    logger,
  };
  await endOnSignals(logger, (signal) => runSupervisor(options, signal));
}

import type { Logger } from '../base/log.ts';
import type { ConnectRuntimeOptions } from '../runtime/service.ts';
import type { Config } from './config/schema.ts';
import { hostUserIds } from './node/user-ids.ts';
import { runtimeOptions } from './services.ts';

/**
 * How the configuration, and what the machine's files give the node, have the runtime run: for who starts pods.
 * @throws WasmletError InvalidConfig for ids of users that cannot be used
 */
export function hostingOptions(config: Config, logger: Logger): ConnectRuntimeOptions {
  const userIds = hostUserIds(config);
  return { ...runtimeOptions(config, logger), ...(userIds ? { userIds } : {}) };
}

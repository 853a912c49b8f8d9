import { join } from 'node:path';
import type { Logger } from '../base/log.ts';
import type { ImageServiceOptions } from '../images/index.ts';
import type { ConnectRuntimeOptions } from '../runtime/service.ts';
import { parseDuration } from './config/duration.ts';
import { runtimeSocketOf, type Config } from './config/schema.ts';

/** How the configuration has the runtime run. */
export const runtimeOptions = (config: Config, logger: Logger): ConnectRuntimeOptions => ({
  root: config.rootDir,
  socket: runtimeSocketOf(config),
  spawn: config.startRuntime,
  launcher: config.runtimeLauncher,
  handlers: config.runtimeHandlers,
  defaultHandler: config.defaultRuntimeHandler,
  maxContainersPerHost: config.maxContainersPerHost,
  posixExtension: config.posixExtension,
  confinement: config.confinement,
  ...(config.cniConfDir === '' ? {} : { cni: { confDir: config.cniConfDir, binDir: config.cniBinDir } }),
  logger: logger.child({ part: 'runtime' }),
});

/** How the configuration has images pulled and kept. */
export const imageOptions = (config: Config, logger: Logger): ImageServiceOptions => ({
  root: join(config.rootDir, 'images'),
  maxParallelPulls: config.maxParallelImagePulls,
  serialize: config.serializeImagePulls,
  progressDeadlineMs: parseDuration(config.imagePullProgressDeadline),
  maxImageBytes: config.maxImageBytes,
  insecureRegistries: config.insecureRegistries,
  logger: logger.child({ part: 'images' }),
});

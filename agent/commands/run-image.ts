import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, WasmletError } from '../../base/errors.ts';
import { lockFolder } from '../../base/lock.ts';
import { createLogger } from '../../base/log.ts';
import { dockerCliConfigs } from '../../images/docker-cli-config.ts';
import { createImageService, parseReference } from '../../images/index.ts';
import type { Image } from '../../images/service.ts';
import type { Config } from '../config/schema.ts';
import { imageOptions } from '../services.ts';
import { Progress, stepOf } from './progress.ts';
import type { PullPolicy } from './run.ts';
import { stateFolder } from './run-folder.ts';

const LOCK_RETRY_MS = 200;

/**
 * An image of this user's own store, pulled where that is needed.
 * @throws WasmletError NotFound where it is not there and must not be pulled; of the pull
 */
export async function storedImage(
  config: Config,
  name: string,
  policy: PullPolicy,
  signal: AbortSignal,
): Promise<Image> {
  const { canonical, domain } = parseReference(name);
  const root = stateFolder();
  await mkdir(root, { recursive: true, mode: 0o700 });
  await using _lock = await lockWithPatience(root, signal);
  const logger = createLogger({ level: 'error', format: 'human' });
  await using images = await createImageService({
    ...imageOptions({ ...config, rootDir: root }, logger),
    root: join(root, 'images'),
  });
  const stored = policy === 'always' ? undefined : await images.imageStatus(name);
  if (stored) return stored;
  if (policy === 'never') {
    throw new WasmletError('NotFound', `image ${canonical} is not in ${join(root, 'images')}, and --pull is never`);
  }
  process.stderr.write(`Pulling ${canonical} …\n`);
  using progress = new Progress();
  return await images.pullImage({
    reference: name,
    dockerConfigs: await dockerCliConfigs(domain),
    onProgress: (step) => progress.update(stepOf(step)),
    signal,
  });
}

/** Another `wasmlet run` of this user may be pulling. */
async function lockWithPatience(folder: string, signal: AbortSignal): Promise<AsyncDisposable> {
  for (;;) {
    try {
      return await lockFolder(folder, 'agent');
    } catch (error) {
      if (!hasCode(error, 'AlreadyExists')) throw error;
      await delay(LOCK_RETRY_MS, undefined, { signal });
    }
  }
}

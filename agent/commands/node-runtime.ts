import { hasCode, WasmletError } from '../../base/errors.ts';
import { silentLogger } from '../../base/silent-logger.ts';
import {
  connectRuntime,
  type Container,
  type GuestControlService,
  type RuntimeService,
} from '../../runtime/service.ts';
import type { Config } from '../config/schema.ts';
import { hintOfLocalNode } from '../local/folders.ts';
import { runtimeOptions } from '../services.ts';

/**
 * Does something with the supervisor that runs on this node, whose configuration stays as it is.
 * @throws WasmletError Unavailable when none runs
 */
export async function withRuntime<T>(
  config: Config,
  run: (runtime: RuntimeService & GuestControlService) => Promise<T>,
): Promise<T> {
  const options = runtimeOptions(config, silentLogger);
  await using runtime = await connectRuntime({ ...options, spawn: false, keepConfiguration: true }).catch(
    (error: unknown) => {
      if (!hasCode(error, 'Unavailable')) throw error;
      throw new WasmletError('Unavailable', `${error.message}${hintOfLocalNode(config.rootDir)}`, { cause: error });
    },
  );
  return await run(runtime);
}

/**
 * The container whose id begins so.
 * @throws WasmletError NotFound; InvalidArgument when there are several
 */
export async function findContainer(runtime: RuntimeService, idPrefix: string): Promise<Container> {
  const matching = (await runtime.listContainers()).filter(({ id }) => id.startsWith(idPrefix));
  const [container] = matching;
  if (!container || idPrefix === '') throw new WasmletError('NotFound', `no container ${idPrefix}: see wasmlet ps -a`);
  if (matching.length === 1) return container;
  throw new WasmletError(
    'InvalidArgument',
    `${matching.length} containers begin with ${idPrefix}: write more of the id`,
  );
}

import { existsSync } from 'node:fs';
import { WasmletError } from '../../base/errors.ts';
import type { Config } from '../config/schema.ts';
import { inspectFile, inspectImage, isImageName } from './inspect-image.ts';
import { findContainer, withRuntime } from './node-runtime.ts';

/**
 * `wasmlet inspect`: all that is known of containers, images and module files, as JSON. What ends in .wasm and is there
 * is a file; what has a '/', ':' or '@' in it is an image; anything else is the beginning of a container's id.
 */
export async function inspectCommand(config: Config, names: readonly string[]): Promise<void> {
  for (const name of names) {
    process.stdout.write(`${JSON.stringify(await inspect(config, name), undefined, 2)}\n`);
  }
}

async function inspect(config: Config, name: string): Promise<object> {
  if (name.endsWith('.wasm') && existsSync(name)) return await inspectFile(name);
  // No id of a container ends so.
  if (name.endsWith('.wasm') && !isImageName(name))
    throw new WasmletError('NotFound', `${name}: there is no such file`);
  return isImageName(name) ? await inspectImage(config, name) : await inspectContainer(config, name);
}

/** A container's status, its pod's sandbox, its usage. */
async function inspectContainer(config: Config, prefix: string): Promise<object> {
  return await withRuntime(config, async (runtime) => {
    const { id, podSandboxId } = await findContainer(runtime, prefix);
    const [status, sandbox, [stats]] = await Promise.all([
      runtime.containerStatus(id),
      runtime.podSandboxStatus(podSandboxId),
      runtime.listContainerStats({ id }),
    ]);
    return { status, sandbox, stats };
  });
}

import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../../base/errors.ts';
import { silentLogger } from '../../base/silent-logger.ts';
import { dockerCliConfigs } from '../../images/docker-cli-config.ts';
import { createImageService, parseReference, resolveInTree } from '../../images/index.ts';
import { parseManifest, platformName } from '../../images/manifest.ts';
import { moduleInfo } from '../../images/module-info.ts';
import type { Image } from '../../images/service.ts';
import type { Config } from '../config/schema.ts';
import { withImages } from '../node-images.ts';
import { imageOptions } from '../services.ts';
import { untilInterrupted } from './signals.ts';

/** An image is named with a '/', ':' or '@' in it: no id of a container has any of them. */
export const isImageName = (text: string): boolean => /[/:@]/.test(text);

/**
 * What an image is: its manifest, configuration, layers and module. Of one that is not in the node's store, from its
 * registry, with the credentials of this user's Docker config.
 */
export async function inspectImage(config: Config, name: string): Promise<object> {
  const { root } = imageOptions(config, silentLogger);
  const stored = await withImages(config, silentLogger, (store) => store.imageStatus(name)).catch((error: unknown) => {
    // Who may not have the node's store has the registry's image all the same.
    if (hasCode(error, 'FailedPrecondition')) return undefined;
    throw error;
  });
  if (stored) return { source: 'store', ...(await describe(stored, root)) };
  return await untilInterrupted(async (signal) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-inspect-'));
    await using images = await createImageService({ ...imageOptions(config, silentLogger), root: folder.path });
    const dockerConfigs = await dockerCliConfigs(parseReference(name).domain);
    const image = await images.pullImage({ reference: name, dockerConfigs, signal });
    return { source: 'registry', ...(await describe(image, folder.path)) };
  });
}

/** What a module in a file is. */
export async function inspectFile(path: string): Promise<object> {
  const bytes = await readFile(path);
  return { source: 'file', path, size: bytes.length, module: await moduleInfo(bytes) };
}

async function describe(image: Image, root: string): Promise<object> {
  const blob = (digest: string) => readFile(join(root, 'blobs', ...digest.split(':')));
  const bytes = await blob(image.id);
  const document = parseManifest(bytes, '');
  if (document.kind !== 'manifest') return { id: image.id };
  const { config } = document.manifest;
  const path = await modulePath(image);
  const { id, repoTags, repoDigests, size } = image;
  return {
    id,
    repoTags,
    repoDigests,
    size,
    platform: platformName(image),
    manifest: JSON.parse(bytes.toString('utf8')) as unknown,
    config: jsonOf(await blob(config.digest)),
    ...(path === undefined ? {} : { module: await moduleInfo(await readFile(path)) }),
  };
}

async function modulePath({ module, tree, config }: Image): Promise<string | undefined> {
  if (module !== undefined) return module;
  const program = config.entrypoint[0] ?? config.cmd[0];
  return tree === undefined || program === undefined ? undefined : await resolveInTree(tree, program);
}

/** The configs of older artifact forms may be anything. */
function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

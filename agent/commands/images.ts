import { silentLogger } from '../../base/silent-logger.ts';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { parseReference } from '../../images/index.ts';
import type { Image, ImageStore } from '../../images/service.ts';
import type { Config } from '../config/schema.ts';
import { withImages } from '../node-images.ts';
import { imagesInUse } from './images-in-use.ts';
import { humanSize, Progress, stepOf } from './progress.ts';
import { untilInterrupted } from './signals.ts';
import { table } from './table.ts';

export interface ImagesListOptions {
  readonly digests: boolean;
  readonly quiet: boolean;
  readonly output: 'table' | 'json';
}

/** As long as crictl prints ids. */
const SHORT_ID = 13;
const NONE = '<none>';

const shortId = (id: string): string => id.slice(id.indexOf(':') + 1).slice(0, SHORT_ID);

/** `wasmlet images ls`: the images of this node, in crictl's words. */
export async function listImagesCommand(config: Config, options: ImagesListOptions): Promise<void> {
  const images = await withImages(config, silentLogger, (store) => store.listImages());
  process.stdout.write(renderImages(images, options));
}

/** A row for each name, or for the image where it has none. */
export function renderImages(images: readonly Image[], { digests, quiet, output }: ImagesListOptions): string {
  const sorted = images.toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  if (quiet) return sorted.map(({ id }) => `${id}\n`).join('');
  if (output === 'json') return `${JSON.stringify({ images: sorted }, undefined, 2)}\n`;
  const head = ['IMAGE', 'TAG', ...(digests ? ['DIGEST'] : []), 'IMAGE ID', 'SIZE'];
  const rows = sorted.flatMap((image) =>
    namesOf(image).map(({ name, tag, digest }) => [
      name,
      tag,
      ...(digests ? [digest] : []),
      shortId(image.id),
      humanSize(image.size),
    ]),
  );
  return table([head, ...rows]);
}

const sortKey = ({ repoTags, repoDigests, id }: Image): string => repoTags[0] ?? repoDigests[0] ?? id;

function namesOf({ repoTags, repoDigests, id }: Image) {
  const digestOf = (name: string): string =>
    repoDigests.find((candidate) => candidate.startsWith(`${name}@`))?.slice(name.length + 1) ?? id;
  if (repoTags.length > 0) {
    return repoTags.map((text) => {
      const { name, tag = NONE } = parseReference(text);
      return { name, tag, digest: digestOf(name) };
    });
  }
  const [name = NONE, digest = id] = repoDigests[0]?.split('@') ?? [];
  return [{ name, tag: NONE, digest }];
}

/** `wasmlet images import`: puts the images of a file into the store, and prints their names. */
export async function importCommand(config: Config, path: string, name: string | undefined): Promise<void> {
  await untilInterrupted(async (signal) => {
    const images = await withImages(config, silentLogger, async (store) => {
      using progress = new Progress();
      return await store.importImages({ path, name, signal, onProgress: (step) => progress.update(stepOf(step)) });
    });
    for (const { id, repoTags } of images) {
      for (const tag of repoTags) process.stdout.write(`${tag} (${id})\n`);
    }
  });
}

/**
 * `wasmlet images rm`: removes images, and what only they needed.
 * @throws WasmletError NotFound; FailedPrecondition for one that a container uses, unless `force`
 */
export async function removeImagesCommand(config: Config, names: readonly string[], force: boolean): Promise<void> {
  const used = force ? new Map<string, string>() : await imagesInUse(config);
  await withImages(config, silentLogger, async (store) => {
    for (const name of names) {
      const image = await findImage(store, name);
      const user = used.get(image.id);
      if (user !== undefined) {
        throw new WasmletError('FailedPrecondition', `${name} is used by ${user}: end that first, or say --force`);
      }
      await remove(store, image);
    }
  });
}

/** `wasmlet images prune`: removes the images that no container uses. */
export async function pruneImagesCommand(config: Config): Promise<void> {
  const used = await imagesInUse(config);
  await withImages(config, silentLogger, async (store) => {
    const unused = (await store.listImages()).filter(({ id }) => !used.has(id));
    for (const image of unused) await remove(store, image);
    const freed = unused.reduce((sum, { size }) => sum + size, 0);
    process.stdout.write(`Removed ${unused.length} ${unused.length === 1 ? 'image' : 'images'}, ${humanSize(freed)}\n`);
  });
}

async function remove(store: ImageStore, image: Image): Promise<void> {
  await store.removeImage(image.id);
  const names = image.repoTags.length > 0 ? image.repoTags : image.repoDigests;
  for (const name of names.length > 0 ? names : [image.id]) process.stdout.write(`Deleted: ${name}\n`);
}

/**
 * The image that a name or the beginning of an id stands for.
 * @throws WasmletError NotFound; InvalidArgument when there are several
 */
export async function findImage(store: ImageStore, text: string): Promise<Image> {
  const prefix = text.replace(/^sha256:/, '');
  if (/^[0-9a-f]{6,64}$/.test(prefix)) {
    const matching = (await store.listImages()).filter(({ id }) => id.startsWith(`sha256:${prefix}`));
    const [image, ...others] = matching;
    if (others.length > 0) {
      throw new WasmletError('InvalidArgument', `${matching.length} images begin with ${text}: write more of the id`);
    }
    if (image) return image;
  }
  const image = await store.imageStatus(text).catch((error: unknown) => {
    throw new WasmletError('InvalidArgument', messageOf(error), { cause: error });
  });
  if (image) return image;
  throw new WasmletError('NotFound', `no image ${text}: see wasmlet images ls`);
}

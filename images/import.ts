import { copyFile, mkdir, open, readFile, rm } from 'node:fs/promises';
import { constants } from 'node:fs';
import { messageOf, WasmletError } from '../base/errors.ts';
import { readArchive, type ArchivedImage, type ImageArchive } from './archive/archive.ts';
import { artifactOf } from './artifact.ts';
import { digestOf } from './digest.ts';
import { install, type InstallContext } from './install.ts';
import { LIMITS } from './limits.ts';
import { parseReference, type Reference } from './reference.ts';
import { resolve } from './resolve.ts';
import type { Image } from './service.ts';

/** Part of the digest: one module is one image, whenever it is imported. */
const CREATED = '1970-01-01T00:00:00Z';

/**
 * Puts the images of a file into the store, without a registry: a module, or an archive of images (an OCI layout or what
 * `docker save` writes), compressed or not.
 * @param path of the file, which stays
 * @param name what the image is called; needed for a module and for an image that has no name in its archive
 * @throws WasmletError InvalidImageName; InvalidArgument for a file that is neither; ImageNotRunnable, ErrImagePull
 */
export async function importFile(
  context: InstallContext,
  { path, name }: { readonly path: string; readonly name: string | undefined },
  signal: AbortSignal,
): Promise<readonly Image[]> {
  const reference = name === undefined ? undefined : taggedReference(name);
  const { content, compression } = await context.worker.run('inspect', { path }, signal);
  if (content === 'tar') return await importArchive(context, { path, compression }, reference, signal);
  if (reference === undefined) {
    throw new WasmletError('InvalidArgument', 'a module has no name of its own: say what its image is to be called');
  }
  return [await importModule(context, path, reference, signal)];
}

function taggedReference(name: string): Reference {
  const reference = parseReference(name);
  if (reference.digest === undefined) return reference;
  throw new WasmletError('InvalidImageName', `an image is imported under a tag, not a digest: ${reference.name}:1.0`);
}

async function importModule(
  context: InstallContext,
  path: string,
  reference: Reference,
  signal: AbortSignal,
): Promise<Image> {
  const module = await readFile(path, { signal });
  const options = { format: 'cncf', fileName: reference.canonical, annotations: {}, created: CREATED } as const;
  const artifact = await artifactOf(module, options);
  const { config, manifest, mediaType } = artifact;
  const configDigest = digestOf(config.data);
  const source = { getManifest: () => Promise.reject(new WasmletError('Internal', 'a module has one manifest')) };
  const first = { bytes: Buffer.from(manifest), contentType: mediaType, digest: undefined };
  const resolved = await resolve(source, first, { asked: undefined, name: reference.canonical }, signal);
  return await install(
    context,
    {
      resolved,
      name: reference.canonical,
      names: namesOf(reference, resolved.referenceDigest),
      fetchBlob: async ({ digest }, target) => {
        if (digest !== configDigest) return copySynced(path, target);
        await using file = await open(target, 'wx', 0o644);
        await file.writeFile(config.data);
        await file.sync();
      },
    },
    signal,
  );
}

const namesOf = ({ canonical, name }: Reference, digest: string): string[] => [canonical, `${name}@${digest}`];

async function importArchive(
  context: InstallContext,
  file: { readonly path: string; readonly compression: 'none' | 'gzip' | 'zstd' },
  reference: Reference | undefined,
  signal: AbortSignal,
): Promise<readonly Image[]> {
  const { layout, worker, maxImageBytes } = context;
  const destination = layout.ingestPath();
  await mkdir(destination, { mode: 0o700 });
  try {
    const bounds = { maxBytes: maxImageBytes, maxEntries: LIMITS.archiveEntries };
    const { members } = await worker.run('members', { ...file, destination, ...bounds }, signal);
    const archive = await readArchive(members);
    const images: Image[] = [];
    for (const { image, references } of chosen(archive, reference)) {
      images.push(await importImage(context, archive, image, references, signal));
    }
    return images;
  } finally {
    await rm(destination, { recursive: true, force: true });
  }
}

/** The images of an archive with what they are to be called. */
function chosen({ images }: ImageArchive, reference: Reference | undefined) {
  if (images.length === 0) throw new WasmletError('InvalidArgument', 'the archive holds no image');
  if (reference !== undefined) {
    const [image, ...others] = images;
    if (image !== undefined && others.length === 0) return [{ image, references: [reference] }];
    throw new WasmletError(
      'InvalidArgument',
      `the archive holds ${images.length} images, which cannot all be ${reference.canonical}; import it without a name`,
    );
  }
  return images.map((image) => {
    if (image.names.length === 0) {
      throw new WasmletError('InvalidArgument', 'an image of the archive has no name: say what it is to be called');
    }
    return { image, references: image.names.map(parseReference) };
  });
}

async function importImage(
  context: InstallContext,
  archive: ImageArchive,
  image: ArchivedImage,
  references: readonly Reference[],
  signal: AbortSignal,
): Promise<Image> {
  const name = references[0]?.canonical ?? '';
  const first = await image.first();
  const resolved = await resolve(archive, first, { asked: first.digest, name }, signal);
  const names = references.flatMap((reference) => namesOf(reference, resolved.referenceDigest));
  const fetchBlob = ({ digest }: { readonly digest: string }, target: string) =>
    copySynced(archive.blobPath(digest), target);
  return await install(context, { resolved, name, names, fetchBlob }, signal);
}

/** Shares the bytes where the file system can. */
async function copySynced(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    await using file = await open(target, 'r+');
    await file.chmod(0o644);
    await file.sync();
  } catch (error) {
    throw new WasmletError('ErrImagePull', `cannot copy into the image store: ${messageOf(error)}`, { cause: error });
  }
}

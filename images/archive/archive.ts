import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { z } from 'zod';
import { WasmletError } from '../../base/errors.ts';
import { LIMITS } from '../limits.ts';
import { NAME, OCI_CONFIG, OCI_MANIFEST, parseManifest, REF_NAME, type Descriptor } from '../manifest.ts';
import { isDigest, parseReference } from '../reference.ts';
import type { RawManifest } from '../registry/client.ts';
import type { ManifestSource } from '../resolve.ts';
import type { Member } from './members.ts';

/** One image of an archive. */
export interface ArchivedImage {
  /** What it stands under in the archive: 'repository:tag', in full; none where the archive does not say. */
  readonly names: readonly string[];
  /** Its manifest, or the index of its platforms. @throws WasmletError ErrImagePull when the archive does not have it */
  readonly first: () => Promise<RawManifest>;
}

/** The images of an archive and where their parts are. */
export interface ImageArchive extends ManifestSource {
  readonly images: readonly ArchivedImage[];
  /** Path of a blob. @throws WasmletError ErrImagePull when the archive does not have it */
  blobPath(digest: string): string;
}

const layoutSchema = z.object({
  manifests: z
    .array(
      z.object({
        mediaType: z.string().default(''),
        digest: z.string().refine(isDigest, 'not a sha256 or sha512 digest'),
        annotations: z.record(z.string(), z.string()).nullish(),
      }),
    )
    .max(LIMITS.layers),
});

const dockerSchema = z
  .array(
    z.object({
      Config: z.string(),
      RepoTags: z.array(z.string()).nullish(),
      Layers: z.array(z.string()).max(LIMITS.layers),
    }),
  )
  .max(LIMITS.layers);

const damaged = (why: string) => new WasmletError('InvalidArgument', `the archive is no image archive: ${why}`);

/**
 * Reads an archive that was laid out: an OCI image layout (image-spec, image-layout.md), or what `docker save` and
 * `crane pull` write (manifest.json).
 * @throws WasmletError InvalidArgument when it is neither
 */
export async function readArchive(members: readonly Member[]): Promise<ImageArchive> {
  const files = new Map(members.map((member) => [member.name, member]));
  const index = files.get('index.json');
  if (index) return new LayoutArchive(files, layoutSchema.safeParse(await readJson(index)));
  const manifest = files.get('manifest.json');
  if (manifest) return DockerArchive.read(files, dockerSchema.safeParse(await readJson(manifest)));
  throw damaged('it has neither index.json (an OCI layout) nor manifest.json (docker save)');
}

async function readJson({ path, name, size }: Member): Promise<unknown> {
  if (size > LIMITS.manifestBytes) throw damaged(`${name} has more than ${LIMITS.manifestBytes} bytes`);
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    throw damaged(`${name} is not JSON`);
  }
}

/** A name in full, or nothing where it is none: a layout's may be a bare tag. */
function fullName(text: string | undefined): string[] {
  if (text === undefined) return [];
  try {
    return [parseReference(text).canonical];
  } catch {
    return [];
  }
}

class LayoutArchive implements ImageArchive {
  readonly #files: ReadonlyMap<string, Member>;
  readonly images: readonly ArchivedImage[];
  readonly #mediaTypes: ReadonlyMap<string, string>;

  constructor(files: ReadonlyMap<string, Member>, parsed: z.ZodSafeParseResult<z.infer<typeof layoutSchema>>) {
    if (!parsed.success) throw damaged(`index.json: ${z.prettifyError(parsed.error)}`);
    this.#files = files;
    const entries = parsed.data.manifests;
    this.#mediaTypes = new Map(entries.map(({ digest, mediaType }) => [digest, mediaType]));
    // One image under several names has an entry for each.
    const byDigest = Map.groupBy(entries, ({ digest }) => digest);
    this.images = [...byDigest].map(([digest, same]) => ({
      names: same.flatMap(({ annotations }) => {
        const named = fullName(annotations?.[NAME]);
        return named.length > 0 ? named : fullName(inFull(annotations?.[REF_NAME]));
      }),
      first: () => this.getManifest(digest),
    }));
  }

  async getManifest(digest: string): Promise<RawManifest> {
    const path = this.blobPath(digest);
    const { size } = this.#member(digest);
    if (size > LIMITS.manifestBytes) throw damaged(`manifest ${digest} has more than ${LIMITS.manifestBytes} bytes`);
    return { bytes: await readFile(path), contentType: this.#mediaTypes.get(digest) ?? '', digest };
  }

  #member(digest: string): Member {
    const member = this.#files.get(`blobs/${digest.replace(':', '/')}`);
    if (member) return member;
    throw new WasmletError('ErrImagePull', `the archive does not have ${digest}; save the image anew, whole`);
  }

  blobPath(digest: string): string {
    return this.#member(digest).path;
  }
}

/** A layout's ref.name is often a tag alone, which names no repository. */
const inFull = (name: string | undefined): string | undefined => (name?.includes('/') === true ? name : undefined);

/** What `docker save` of old writes has no manifest of OCI: it is made of the parts. */
class DockerArchive implements ImageArchive {
  readonly images: readonly ArchivedImage[];
  readonly #blobs: ReadonlyMap<string, string>;

  private constructor(images: readonly ArchivedImage[], blobs: ReadonlyMap<string, string>) {
    this.images = images;
    this.#blobs = blobs;
  }

  static read(
    files: ReadonlyMap<string, Member>,
    parsed: z.ZodSafeParseResult<z.infer<typeof dockerSchema>>,
  ): DockerArchive {
    if (!parsed.success) throw damaged(`manifest.json: ${z.prettifyError(parsed.error)}`);
    const blobs = new Map<string, string>();
    const descriptor = (name: string, mediaType: string): Descriptor => {
      const member = files.get(posix.normalize(name));
      if (!member) throw damaged(`manifest.json names ${name}, which is not in it`);
      blobs.set(member.digest, member.path);
      return { mediaType, digest: member.digest, size: member.size };
    };
    const images = parsed.data.map(({ Config: config, RepoTags: tags, Layers: layers }): ArchivedImage => {
      const manifest = {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config: descriptor(config, OCI_CONFIG),
        // Its layers are archives or compressed archives: what a layer is decides, not its media type.
        layers: layers.map((name) => descriptor(name, 'application/vnd.oci.image.layer.v1.tar')),
      };
      const bytes = Buffer.from(JSON.stringify(manifest));
      parseManifest(bytes, OCI_MANIFEST);
      const raw = { bytes, contentType: OCI_MANIFEST, digest: undefined };
      return { names: (tags ?? []).flatMap(fullName), first: () => Promise.resolve(raw) };
    });
    return new DockerArchive(images, blobs);
  }

  getManifest(digest: string): Promise<RawManifest> {
    return Promise.reject(damaged(`it has no manifest ${digest}`));
  }

  blobPath(digest: string): string {
    const path = this.#blobs.get(digest);
    if (path !== undefined) return path;
    throw damaged(`it has no ${digest}`);
  }
}

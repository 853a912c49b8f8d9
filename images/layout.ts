import { randomBytes } from 'node:crypto';
import { access, chmod, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errnoOf, ignoreMissing, messageOf, WasmletError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { writeFileAtomic } from '../base/record.ts';
import { isTreeUsed, treeOfEntry } from '../base/tree-use.ts';
import { diskUsage, type Usage } from './disk-usage.ts';
import { NAME, OCI_INDEX, parseConfig, parseManifest, REF_NAME, type Descriptor } from './manifest.ts';
import { isDigest } from './reference.ts';
import type { Image } from './service.ts';
import { UNPACKED_MODULE } from './unpack/layers.ts';

const FORM = 'io.wasmlet.image.form';
const ENTRYPOINT = 'io.wasmlet.image.entrypoint';

const entrySchema = z.object({
  mediaType: z.string(),
  digest: z.string().refine(isDigest),
  size: z.number().int().nonnegative(),
  annotations: z.record(z.string(), z.string()),
});
type Entry = z.infer<typeof entrySchema>;

/** How a stored image is used: TREE_FORM, UNPACKED_FORM, or the digest of the blob that is its module. */
export type StoredForm = string;
export const TREE_FORM = 'tree';
/** A compressed module, unpacked to a file of its own. */
export const UNPACKED_FORM = 'unpacked-module';

export interface NewImage {
  readonly manifest: Pick<Descriptor, 'mediaType' | 'digest' | 'size'>;
  readonly form: StoredForm;
  /** Replaces the config's entrypoint. */
  readonly entrypoint: string | undefined;
  /** 'repository:tag' and 'repository@digest' that stand for it from now on. */
  readonly names: readonly string[];
}

interface Stored {
  readonly image: Omit<Image, 'repoTags' | 'repoDigests'>;
  /** Manifest, config and layers. */
  readonly blobs: ReadonlySet<string>;
}

/**
 * The store: an OCI image layout (image-spec, image-layout.md) that other tools can read, with unpacked trees beside its
 * blobs. An entry of index.json per name, as containerd keeps images; each entry's manifest is one that this node runs
 * and all of whose blobs are here. Nothing is kept anywhere else.
 */
export class ImageLayout {
  readonly #root: string;
  readonly #logger: Logger;
  /** By name. */
  readonly #entries = new Map<string, Entry>();
  /** By manifest digest. */
  readonly #stored = new Map<string, Stored>();
  /** Blobs and trees that running pulls rely on, with how many do. */
  readonly #pins = new Map<string, number>();
  readonly #treeUsage = new Map<string, Usage>();
  /** Of images that are removed, trees that containers use still: looked at whenever something is collected. */
  readonly #kept = new Set<string>();
  /** What changes the layout happens one after another. */
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(root: string, logger: Logger) {
    this.#root = root;
    this.#logger = logger;
  }

  /** Opens or creates the layout, and clears away what a crash left. Its folder must be this process's alone. */
  static async open(root: string, logger: Logger): Promise<ImageLayout> {
    // Hosts run under other uids and are given paths in here; they need not list it.
    await mkdir(root, { recursive: true, mode: 0o711 });
    const layout = new ImageLayout(root, logger);
    await rm(join(root, 'ingest'), { recursive: true, force: true });
    for (const folder of ['ingest', 'blobs/sha256', 'blobs/sha512', 'unpacked/sha256', 'unpacked/sha512']) {
      await mkdir(join(root, folder), { recursive: true, mode: 0o711 });
    }
    await layout.#load();
    await layout.#sweep();
    return layout;
  }

  get root(): string {
    return this.#root;
  }

  /** Host path of a blob, whether it is there or not. */
  blobPath(digest: string): string {
    return join(this.#root, 'blobs', ...digest.split(':'));
  }

  #treePath(manifestDigest: string): string {
    return join(this.#root, 'unpacked', ...manifestDigest.split(':'));
  }

  /** A path for a file or folder in the making; it is gone at the next start. */
  ingestPath(): string {
    return join(this.#root, 'ingest', randomBytes(12).toString('hex'));
  }

  byName(name: string): Image | undefined {
    const digest = this.#entries.get(name)?.digest;
    return digest === undefined ? undefined : this.byId(digest);
  }

  byId(id: string): Image | undefined {
    const stored = this.#stored.get(id);
    if (!stored) return undefined;
    const names = [...this.#entries].filter(([, entry]) => entry.digest === id).map(([name]) => name);
    return {
      ...stored.image,
      repoTags: names.filter((name) => !name.includes('@')),
      repoDigests: names.filter((name) => name.includes('@')),
    };
  }

  images(): readonly Image[] {
    return [...this.#stored.keys()].flatMap((id) => this.byId(id) ?? []);
  }

  /** Keeps what a pull has gathered so far from being collected; what then belongs to no image goes at its end. */
  lease(): Lease {
    const pinned = new Set<string>();
    const pin = (key: string) => {
      if (pinned.has(key)) return;
      pinned.add(key);
      this.#pins.set(key, (this.#pins.get(key) ?? 0) + 1);
    };
    return {
      holds: (digest, size) => {
        return this.#serially(async () => {
          pin(digest);
          const status = await stat(this.blobPath(digest)).catch(ignoreMissing);
          return status?.size === size;
        });
      },
      adopt: (path, digest) => {
        return this.#serially(async () => {
          pin(digest);
          await rename(path, this.blobPath(digest));
        });
      },
      holdsTree: (manifestDigest) => {
        return this.#serially(async () => {
          pin(treeKey(manifestDigest));
          return (await stat(this.#treePath(manifestDigest)).catch(ignoreMissing)) !== undefined;
        });
      },
      adoptTree: (path, manifestDigest) => {
        return this.#serially(async () => {
          pin(treeKey(manifestDigest));
          await chmod(path, 0o755);
          await rename(path, this.#treePath(manifestDigest)).catch((error: unknown) => {
            // Another pull of the same image was first; its tree is as good.
            if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
          });
          return this.#treePath(manifestDigest);
        });
      },
      treePath: (manifestDigest) => this.#treePath(manifestDigest),
      [Symbol.asyncDispose]: () =>
        this.#serially(async () => {
          for (const key of pinned) {
            const count = (this.#pins.get(key) ?? 1) - 1;
            if (count === 0) this.#pins.delete(key);
            else this.#pins.set(key, count);
          }
          await this.#collect(pinned);
        }),
    };
  }

  /** Makes an image known under its names; its blobs and its tree are held by the caller's lease. */
  async commit(image: NewImage): Promise<Image> {
    return this.#serially(async () => {
      const annotations = {
        [FORM]: image.form,
        ...(image.entrypoint === undefined ? {} : { [ENTRYPOINT]: image.entrypoint }),
      };
      const entries = image.names.map((name): [string, Entry] => [
        name,
        { ...image.manifest, annotations: { [REF_NAME]: name, [NAME]: name, ...annotations } },
      ]);
      const [first] = entries;
      if (!first) throw new WasmletError('Internal', 'an image without a name');
      const stored = await this.#read(first[1]);
      await this.#writeIndex(new Map([...this.#entries, ...entries]));
      for (const [name, entry] of entries) this.#entries.set(name, entry);
      this.#stored.set(image.manifest.digest, stored);
      const result = this.byId(image.manifest.digest);
      if (!result) throw new WasmletError('Internal', `image ${image.manifest.digest} was not stored`);
      return result;
    });
  }

  /** Forgets an image under all its names and removes what only it needed; none of that id is no error. */
  async remove(id: string): Promise<void> {
    await this.#serially(async () => {
      const stored = this.#stored.get(id);
      if (!stored) return;
      const rest = new Map([...this.#entries].filter(([, entry]) => entry.digest !== id));
      await this.#writeIndex(rest);
      for (const name of this.#entries.keys()) if (!rest.has(name)) this.#entries.delete(name);
      this.#stored.delete(id);
      await this.#collect([...stored.blobs, treeKey(id)]);
    });
  }

  /** Bytes and inodes on disk; unpacked trees, which never change, are counted once. */
  async usage(): Promise<Usage> {
    let total = await diskUsage(this.#root, (path) => path === join(this.#root, 'unpacked'));
    for (const id of new Set([...this.#stored.keys(), ...[...this.#kept].map(digestOfTree)])) {
      const known = this.#treeUsage.get(id) ?? (await diskUsage(this.#treePath(id)));
      this.#treeUsage.set(id, known);
      total = { bytes: total.bytes + known.bytes, inodes: total.inodes + known.inodes };
    }
    return total;
  }

  async #serially<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#tail.then(work, work);
    this.#tail = run.catch(() => undefined);
    return run;
  }

  /** Removes those blobs and trees among the candidates that no image and no running pull needs. */
  async #collect(candidates: Iterable<string>): Promise<void> {
    const needed = new Set([...this.#stored.values()].flatMap(({ blobs }) => [...blobs]));
    for (const id of this.#stored.keys()) needed.add(treeKey(id));
    for (const key of new Set([...candidates, ...this.#kept])) {
      this.#kept.delete(key);
      if (needed.has(key) || this.#pins.has(key)) continue;
      if (!key.startsWith(TREE)) {
        await rm(this.blobPath(key), { force: true });
        continue;
      }
      const id = digestOfTree(key);
      if (await this.#removeTree(this.#treePath(id))) this.#treeUsage.delete(id);
      else this.#kept.add(key);
    }
  }

  /**
   * Out of the way in one step first: a tree removed half is never taken for a whole one.
   * @returns false when a container uses it: it stays
   */
  async #removeTree(path: string): Promise<boolean> {
    if (await isTreeUsed(path)) return false;
    const away = this.ingestPath();
    try {
      await rename(path, away);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return true;
      throw error;
    }
    // By one that was created meanwhile: it has made its note before it looked whether the tree is there.
    if (await isTreeUsed(path)) {
      await rename(away, path);
      return false;
    }
    await rm(away, { recursive: true, force: true });
    return true;
  }

  async #writeIndex(entries: ReadonlyMap<string, Entry>): Promise<void> {
    const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...entries.values()] };
    await writeFileAtomic(join(this.#root, 'index.json'), `${JSON.stringify(index)}\n`, { mode: 0o644 });
  }

  async #load(): Promise<void> {
    const layoutFile = join(this.#root, 'oci-layout');
    if (!(await exists(layoutFile)))
      await writeFileAtomic(layoutFile, '{"imageLayoutVersion":"1.0.0"}', { mode: 0o644 });
    for (const entry of await this.#readIndex()) {
      const name = entry.annotations[NAME];
      if (name === undefined) continue;
      try {
        if (!this.#stored.has(entry.digest)) this.#stored.set(entry.digest, await this.#read(entry));
        this.#entries.set(name, entry);
      } catch (error) {
        this.#logger.warn('An image in the store is incomplete; it will be pulled again when needed', {
          image: name,
          error: messageOf(error),
        });
      }
    }
    await this.#writeIndex(this.#entries);
  }

  /** The entries of index.json; none where it is missing or damaged, for everything in it can be pulled again. */
  async #readIndex(): Promise<readonly Entry[]> {
    const path = join(this.#root, 'index.json');
    try {
      const parsed = z.object({ manifests: z.array(z.unknown()) }).parse(JSON.parse(await readFile(path, 'utf8')));
      return parsed.manifests.flatMap((entry) => entrySchema.safeParse(entry).data ?? []);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      this.#logger.warn("The image store's index cannot be read; its images will be pulled again", {
        path,
        error: messageOf(error),
      });
      return [];
    }
  }

  /** What an entry stands for. @throws when a part of it is missing */
  async #read(entry: Entry): Promise<Stored> {
    const document = parseManifest(await readFile(this.blobPath(entry.digest)), entry.mediaType);
    if (document.kind !== 'manifest') throw new WasmletError('InvalidRecord', `${entry.digest} is not a manifest`);
    const { manifest } = document;
    const parts = new Map([manifest.config, ...manifest.layers].map((part) => [part.digest, part]));
    for (const { digest, size } of parts.values()) {
      const status = await stat(this.blobPath(digest));
      if (status.size !== size) throw new WasmletError('InvalidRecord', `${digest} is not of its size`);
    }
    const form = entry.annotations[FORM] ?? '';
    const location = this.#location(entry.digest, form);
    await access('tree' in location ? location.tree : location.module);
    const { os, architecture, config } = parseConfig(
      await readFile(this.blobPath(manifest.config.digest)),
      manifest.config.mediaType,
    );
    const entrypoint = entry.annotations[ENTRYPOINT];
    return {
      blobs: new Set([entry.digest, ...parts.keys()]),
      image: {
        id: entry.digest,
        size: [...parts.values()].reduce((sum, { size }) => sum + size, entry.size),
        os: os === '' ? 'wasip1' : os,
        architecture: architecture === '' ? 'wasm' : architecture,
        config: entrypoint === undefined ? config : { ...config, entrypoint: [entrypoint] },
        ...location,
      },
    };
  }

  #location(manifestDigest: string, form: StoredForm): { module: string } | { tree: string } {
    if (form === TREE_FORM) return { tree: this.#treePath(manifestDigest) };
    return {
      module: isDigest(form) ? this.blobPath(form) : join(this.#treePath(manifestDigest), UNPACKED_MODULE),
    };
  }

  /** At the start: removes blobs, trees and temporary files that no entry needs. */
  async #sweep(): Promise<void> {
    for (const algorithm of ['sha256', 'sha512']) {
      const keys = (await readdir(join(this.#root, 'blobs', algorithm))).map((name) => `${algorithm}:${name}`);
      const entries = await readdir(join(this.#root, 'unpacked', algorithm));
      const trees = entries.map((name) => `${algorithm}:${treeOfEntry(name)}`);
      await this.#collect([...keys, ...trees.map(treeKey)]);
    }
    for (const name of await readdir(this.#root)) {
      if (name.endsWith('.tmp')) await rm(join(this.#root, name), { force: true });
    }
  }
}

/** A pull's hold on the store. */
export interface Lease extends AsyncDisposable {
  /** Whether a blob is there, and if so keeps it. */
  holds(digest: string, size: number): Promise<boolean>;
  /** Moves a verified file into the blobs. */
  adopt(path: string, digest: string): Promise<void>;
  /** Whether an image's unpacked tree is there, and if so keeps it. */
  holdsTree(manifestDigest: string): Promise<boolean>;
  /** Moves a finished folder to its place; resolves to that. */
  adoptTree(path: string, manifestDigest: string): Promise<string>;
  treePath(manifestDigest: string): string;
}

const TREE = 'tree ';

function treeKey(manifestDigest: string): string {
  return `${TREE}${manifestDigest}`;
}

const digestOfTree = (key: string): string => key.slice(TREE.length);

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(ignoreMissing)) !== undefined;
}

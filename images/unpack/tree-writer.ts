import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Header } from 'tar-stream';
import { errnoOf } from '../../base/errors.ts';
import { layerError } from './layer-error.ts';
import type { Entry } from './read-tar.ts';

const MAX_ID = 2 ** 31 - 1;

/** Gives a file to the archive's owner, where this machine has such a one: a user namespace may know only some. */
function giveTo({ uid = 0, gid = 0 }: Partial<Header>, chown: (uid: number, gid: number) => void): void {
  const isId = (id: number): boolean => Number.isInteger(id) && id >= 0 && id <= MAX_ID;
  if (!isId(uid) || !isId(gid)) return;
  try {
    chown(uid, gid);
  } catch (error) {
    if (!['EPERM', 'EINVAL'].includes(errnoOf(error) ?? '')) throw error;
  }
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const MAX_SYMLINKS = 40;

/**
 * Writes tar entries into a folder as an OCI runtime would lay them out (image-spec, layer.md), and nowhere else: every
 * parent is resolved within the folder as if it were the root. Where the process is root, what it writes gets the
 * owners and permissions of the archive, as guests are shown them and held to them; else it is the process's own and
 * readable by all. Nothing ever gets a set-uid or set-gid bit.
 *
 * Synchronous on purpose: it runs in a worker thread that has nothing else to do, and no other process knows the folder.
 */
export class TreeWriter {
  readonly #root: string;
  readonly #maxEntries: number;
  /** Whether owners and permissions are the archive's. */
  readonly #asArchived = process.geteuid?.() === 0;
  #entries = 0;
  /** Paths (and their parents) that the present layer made: its own whiteouts do not apply to them. */
  readonly #ofThisLayer = new Set<string>();

  constructor(root: string, maxEntries: number) {
    this.#root = root;
    this.#maxEntries = maxEntries;
  }

  /** Files, folders and links made so far, removed ones included. */
  get entries(): number {
    return this.#entries;
  }

  /** To be called before the entries of each layer. */
  beginLayer(): void {
    this.#ofThisLayer.clear();
  }

  /**
   * Writes one entry; its body is read to the end.
   * @throws WasmletError ErrImagePull when it points outside or is of no known kind
   */
  async add(entry: Entry): Promise<void> {
    const components = within(entry.header.name);
    const base = components.pop();
    if (base === undefined) return void entry.resume();
    if (base.startsWith(WHITEOUT)) {
      this.#whiteout(components, base);
      return void entry.resume();
    }
    const kind = entryKind(entry.header);
    if (kind === 'skipped') return void entry.resume();
    const path = join(this.#makeParents(components), base);
    this.#count();
    this.#place(path, kind === 'directory');
    if (kind === 'file') await this.#writeFile(path, entry.header, entry);
    else this.#makeOther(path, kind, entry.header);
    this.#mark(path);
    if (kind !== 'file') entry.resume();
  }

  /** Writes a file whose content is no archive; see unpackLayer. */
  async addFile(name: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const path = join(this.#root, name);
    this.#count();
    this.#place(path, false);
    await this.#writeFile(path, {}, content);
  }

  #count(): void {
    if (++this.#entries > this.#maxEntries) {
      throw layerError(`unpacks to more than ${this.#maxEntries} files`);
    }
  }

  #mark(path: string): void {
    for (let at = path; at !== this.#root && !this.#ofThisLayer.has(at); at = dirname(at)) this.#ofThisLayer.add(at);
  }

  /** Makes room: whatever is there goes, except a folder where a folder is to be. */
  #place(path: string, directory: boolean): void {
    const existing = lstatSync(path, { throwIfNoEntry: false });
    if (existing && !(directory && existing.isDirectory())) rmSync(path, { recursive: true });
  }

  async #writeFile(path: string, header: Partial<Header>, content: AsyncIterable<Uint8Array>): Promise<void> {
    const file = openSync(path, 'wx', 0o644);
    try {
      for await (const chunk of content) {
        for (let done = 0; done < chunk.length;) done += writeSync(file, chunk, done);
      }
      if (this.#asArchived) giveTo(header, (uid, gid) => fchownSync(file, uid, gid));
      fchmodSync(file, this.#asArchived ? (header.mode ?? 0o644) & 0o777 : 0o644 | ((header.mode ?? 0) & 0o111));
      if (header.mtime && !Number.isNaN(header.mtime.getTime())) futimesSync(file, header.mtime, header.mtime);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  #makeOther(path: string, kind: 'directory' | 'symlink' | 'link', header: Header): void {
    const target = header.linkname as string | null;
    if (kind === 'directory') {
      this.#makeFolder(path, header);
      return;
    }
    if (target === null || target === '' || target.includes('\0'))
      throw layerError(`${shown(header.name)} links to nothing`);
    // A symlink's target is only text here; whoever follows it does so within the tree.
    if (kind === 'symlink') {
      symlinkSync(target, path);
      if (this.#asArchived) giveTo(header, (uid, gid) => lchownSync(path, uid, gid));
      return;
    }
    const components = within(target);
    const base = components.pop();
    const parent = this.#resolve(components);
    const source = parent === undefined || base === undefined ? undefined : join(parent, base);
    const status = source === undefined ? undefined : lstatSync(source, { throwIfNoEntry: false });
    if (source === undefined || !status || status.isDirectory()) {
      throw layerError(`${shown(header.name)} is a hard link to ${shown(target)}, which is no file of the image`);
    }
    linkSync(source, path);
  }

  /** One that is there gets what this layer says of it. */
  #makeFolder(path: string, header: Header): void {
    mkdirSync(path, { recursive: true, mode: 0o755 });
    if (!this.#asArchived) return;
    giveTo(header, (uid, gid) => lchownSync(path, uid, gid));
    // With the sticky bit, that of /tmp.
    chmodSync(path, header.mode & 0o1777);
  }

  #whiteout(components: readonly string[], base: string): void {
    const folder = this.#resolve(components);
    if (folder === undefined) return;
    if (base === OPAQUE) {
      this.#removeLower(folder, true);
      return;
    }
    if (base.startsWith(`${WHITEOUT}${WHITEOUT}`)) return; // AUFS's own bookkeeping
    const hidden = base.slice(WHITEOUT.length);
    if (hidden === '' || hidden === '.' || hidden === '..') throw layerError(`${shown(base)} hides no file`);
    this.#removeLower(join(folder, hidden), false);
  }

  /** Removes what lower layers put at a path; `keep`: the folder itself stays. */
  #removeLower(path: string, keep: boolean): void {
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (!status) return;
    if (!keep && !this.#ofThisLayer.has(path)) {
      rmSync(path, { recursive: true });
      return;
    }
    if (!status.isDirectory()) return;
    for (const name of readdirSync(path)) this.#removeLower(join(path, name), false);
  }

  #makeParents(components: readonly string[]): string {
    const path = this.#resolve(components, (missing) => {
      this.#count();
      mkdirSync(missing, { mode: 0o755 });
    });
    return path ?? this.#root;
  }

  /**
   * The host path of a folder in the tree, through symlinks as if the tree were the root.
   * @param make called for each missing folder; without it a missing folder gives undefined
   */
  #resolve(components: readonly string[], make?: (missing: string) => void): string | undefined {
    let current: string[] = [];
    const pending = [...components].reverse();
    let links = 0;
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        current.pop();
        continue;
      }
      const path = join(this.#root, ...current, name);
      const status = lstatSync(path, { throwIfNoEntry: false });
      if (status?.isSymbolicLink()) {
        if (++links > MAX_SYMLINKS) throw layerError(`${shown(components.join('/'))} leads through too many symlinks`);
        const target = readlinkSync(path);
        if (target.startsWith('/')) current = [];
        pending.push(...target.split('/').reverse());
        continue;
      }
      if (status && !status.isDirectory()) throw layerError(`${shown(components.join('/'))} leads through a file`);
      if (!status) {
        if (!make) return undefined;
        make(path);
      }
      current.push(name);
    }
    return join(this.#root, ...current);
  }
}

/** The components of a path in the image; absolute ones count from its root, as everywhere. */
function within(name: string): string[] {
  if (name.includes('\0')) throw layerError(`${shown(name)} is not a file name`);
  const components: string[] = [];
  for (const component of name.split('/')) {
    if (component === '' || component === '.') continue;
    if (component !== '..') components.push(component);
    else if (components.pop() === undefined) throw layerError(`${shown(name)} points outside the image`);
  }
  return components;
}

function entryKind(header: Header): 'file' | 'directory' | 'symlink' | 'link' | 'skipped' {
  switch (header.type) {
    case 'file':
    case 'contiguous-file': {
      if (Object.keys(header.pax ?? {}).some((key) => key.startsWith('GNU.sparse.'))) {
        throw layerError(`${shown(header.name)} is a sparse file, which is not supported`);
      }
      return 'file';
    }
    case 'directory':
    case 'symlink':
    case 'link':
      return header.type;
    // Devices and pipes mean nothing to a Wasm guest, and are a risk on the node.
    case 'character-device':
    case 'block-device':
    case 'fifo':
      return 'skipped';
    default:
      throw layerError(`${shown(header.name)} is of a kind that is not supported`);
  }
}

function shown(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
}

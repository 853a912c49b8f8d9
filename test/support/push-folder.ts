import { readdir, readFile, readlink, lstat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import type { Header, Pack } from 'tar-stream';
import { pack } from 'tar-stream';
import { digestOf, Pusher } from './push.ts';

/** What an OCI image configuration says about running the image. */
export interface ImageRunConfig {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** 'NAME=value' */
  readonly env?: readonly string[];
  readonly workingDir?: string;
  /** 'uid', 'uid:gid' or names, as in a Dockerfile. */
  readonly user?: string;
}

export interface PushFolderOptions {
  /** '127.0.0.1:5000': plain HTTP. */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
  /** The root file tree; modes and symbolic links are kept, owners and times are not. */
  readonly folder: string;
  readonly config: ImageRunConfig;
}

/** Pushes a folder as an image of one layer for the platform wasip1/wasm, as `docker buildx build` does. */
export async function pushFolder(options: PushFolderOptions): Promise<{ digest: string }> {
  const tar = await tarOfFolder(options.folder);
  const { entrypoint, cmd, env, workingDir, user } = options.config;
  const config = {
    created: '2026-01-01T00:00:00Z',
    os: 'wasip1',
    architecture: 'wasm',
    config: { Entrypoint: entrypoint, Cmd: cmd, Env: env, WorkingDir: workingDir, User: user },
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  };
  const pusher = new Pusher(options.registry, options.repository);
  return await pusher.image(
    {
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        data: Buffer.from(JSON.stringify(config)),
      },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', data: gzipSync(tar) }],
    },
    options.tag,
  );
}

/** The same bytes for the same tree. */
async function tarOfFolder(folder: string): Promise<Uint8Array> {
  const archive = pack();
  const bytes = buffer(archive);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).toSorted();
  for (const path of paths) await addTo(archive, folder, path);
  archive.finalize();
  return bytes;
}

async function addTo(archive: Pack, folder: string, path: string): Promise<void> {
  const stats = await lstat(path);
  const header = { name: relative(folder, path), mode: stats.mode & 0o7777, mtime: new Date(0) };
  if (stats.isDirectory()) return entry(archive, { ...header, type: 'directory' });
  if (stats.isSymbolicLink()) return entry(archive, { ...header, type: 'symlink', linkname: await readlink(path) });
  return entry(archive, header, await readFile(path));
}

function entry(archive: Pack, header: Partial<Header> & Pick<Header, 'name'>, content?: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null) => {
      if (error) reject(error);
      else resolve();
    };
    if (content === undefined) archive.entry(header, done);
    else archive.entry(header, content, done);
  });
}

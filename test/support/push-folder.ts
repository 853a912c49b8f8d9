import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { imageConfig, tarLayer } from '../../images/artifact.ts';
import { tar, type TarEntry } from '../../images/testing/tar.ts';
import { Pusher } from './push.ts';

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
  const layer = await tarOfFolder(options.folder);
  const { entrypoint, cmd, env, workingDir, user } = options.config;
  const pusher = new Pusher(options.registry, options.repository);
  return await pusher.image(
    {
      config: imageConfig(
        { created: '2026-01-01T00:00:00Z', os: 'wasip1', architecture: 'wasm' },
        { Entrypoint: entrypoint, Cmd: cmd, Env: env, WorkingDir: workingDir, User: user },
        [layer],
      ),
      layers: [tarLayer(layer)],
    },
    options.tag,
  );
}

/** The same bytes for the same tree. */
async function tarOfFolder(folder: string): Promise<Uint8Array> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).toSorted();
  return await tar(await Promise.all(paths.map((path) => entryOf(folder, path))));
}

async function entryOf(folder: string, path: string): Promise<TarEntry> {
  const stats = await lstat(path);
  const header = { name: relative(folder, path), mode: stats.mode & 0o7777 };
  if (stats.isDirectory()) return { ...header, type: 'directory' };
  if (stats.isSymbolicLink()) return { ...header, type: 'symlink', linkname: await readlink(path) };
  return { ...header, content: await readFile(path) };
}

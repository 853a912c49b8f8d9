import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack, type Header } from 'tar-stream';
import type { Blob } from './fake-registry.ts';

/** An archive entry: a file by its content, anything else by its header. */
export type TarEntry = Partial<Header> & { readonly name: string; readonly content?: string | Buffer };

/** Builds a tar archive. */
export async function tar(entries: readonly TarEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of entries) archive.entry({ mtime: new Date(0), ...header }, content ?? '');
  archive.finalize();
  return buffer(archive);
}

/** A gzip-compressed tar layer. */
export async function tarLayer(entries: readonly TarEntry[]): Promise<Blob> {
  return {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    bytes: gzipSync(await tar(entries)),
  };
}

import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join, posix } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { ByteBudget, readTar, type Entry } from '../unpack/read-tar.ts';
import type { Tasks } from '../unpack/tasks.ts';

/** A file of an archive, laid beside others under a name of ours. */
export interface Member {
  /** Path within the archive, normalized: 'blobs/sha256/…'. */
  readonly name: string;
  /** Path on disk. */
  readonly path: string;
  readonly size: number;
  /** 'sha256:…' */
  readonly digest: string;
}

/**
 * Lays the files of an image archive (an OCI layout or what `docker save` writes) into a folder, under names of our own,
 * so that no name in it leads anywhere.
 * @throws WasmletError InvalidArgument for an archive that is damaged or beyond the bounds
 */
export async function layOutMembers(
  { path, compression, destination, maxBytes, maxEntries }: Tasks['members']['input'],
  signal: AbortSignal,
): Promise<Tasks['members']['output']> {
  const members = new Map<string, Member>();
  const links = new Map<string, string>();
  const budget = new ByteBudget(maxBytes, (max) => tooMuch(`unpacks to more than ${max} bytes (maxImageBytes)`));
  let laidOut = 0;
  const take = async (entry: Entry): Promise<void> => {
    const { header } = entry;
    const name = posix.normalize(header.name);
    if (laidOut + links.size >= maxEntries) throw tooMuch(`holds more than ${maxEntries} files`);
    if (header.type === 'symlink' || header.type === 'link') {
      const target = header.linkname;
      links.set(name, posix.normalize(header.type === 'link' ? target : posix.join(posix.dirname(name), target)));
    }
    if (header.type === 'file') {
      members.set(name, await layOut(entry, { name, path: join(destination, String(laidOut++)) }));
    } else entry.resume();
  };
  try {
    await readTar({ path, compression, budget }, take, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof WasmletError) throw error;
    throw new WasmletError('InvalidArgument', `the archive is damaged: ${messageOf(error)}`, { cause: error });
  }
  // `docker save` of old writes a layer that several images share as a link.
  for (const [name, target] of links) {
    const member = members.get(target);
    if (member) members.set(name, { ...member, name });
  }
  return { members: [...members.values()] };
}

const tooMuch = (why: string) => new WasmletError('InvalidArgument', `the archive ${why}`);

async function layOut(content: AsyncIterable<Buffer>, { name, path }: { name: string; path: string }): Promise<Member> {
  const hash = createHash('sha256');
  let size = 0;
  await pipeline(
    content,
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        hash.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    },
    createWriteStream(path, { flags: 'wx', mode: 0o644 }),
  );
  return { name, path, size, digest: `sha256:${hash.digest('hex')}` };
}

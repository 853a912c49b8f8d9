import { open, type FileHandle } from 'node:fs/promises';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { LIMITS } from '../limits.ts';
import { shown } from './errors.ts';
import type { RegistryClient } from './client.ts';
import type { Reply, Transport } from './transport.ts';

/** A connection that ended before the body did: worth taking up again. */
class Dropped extends Error {}

interface Source {
  readonly client: RegistryClient;
  readonly transport: Transport;
  /** Is told how many bytes there are. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Downloads a blob into a new file, synced; taken up where it was when the connection drops. The digest is not checked
 * here: that is the worker's part, off the event loop.
 * @param path must not exist; the caller removes it, also after an error
 * @throws WasmletError ErrImagePull when it is not of the size declared, RegistryUnavailable when it stalls or stays away
 */
export async function downloadBlob(
  source: Source,
  blob: { readonly digest: string; readonly size: number },
  path: string,
  signal: AbortSignal,
): Promise<void> {
  await using file = await open(path, 'wx', 0o644);
  let offset = 0;
  let attempt = 0;
  do {
    try {
      offset = await continueFrom(source, blob, { file, offset }, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Dropped)) throw error;
      offset = (await file.stat()).size;
      if (++attempt > LIMITS.resumptions) {
        throw new WasmletError(
          'RegistryUnavailable',
          `the connection dropped ${attempt} times, last after ${offset} of ${blob.size} bytes: ${error.message}`,
          { cause: error.cause },
        );
      }
      await source.transport.pause(attempt - 1, signal);
    }
  } while (offset < blob.size);
  await file.sync();
}

/** One connection's worth; resolves to the number of bytes in the file when the whole blob is there. */
async function continueFrom(
  { client, transport, onProgress }: Source,
  blob: { readonly digest: string; readonly size: number },
  at: { readonly file: FileHandle; readonly offset: number },
  signal: AbortSignal,
): Promise<number> {
  if (blob.size === 0) return 0;
  const reply = await client.openBlob(blob.digest, at.offset, signal);
  refuseOtherSize(reply, blob.size);
  const resumes = reply.status === 206 && contentRangeStart(reply) === at.offset;
  if (at.offset > 0 && !resumes) await at.file.truncate(0);
  if (reply.status === 416 || (reply.status === 206 && !resumes)) {
    reply.body.on('error', () => undefined).destroy();
    throw new Dropped(`${shown(reply.url)} does not resume where it was asked to`);
  }
  const written = await writeBody(reply, { file: at.file, offset: resumes ? at.offset : 0 }, blob.size, {
    deadlineMs: transport.progressDeadlineMs,
    signal,
    onProgress,
  });
  if (written < blob.size) throw new Dropped(`${shown(reply.url)} ended after ${written} bytes`);
  return written;
}

/** Tells a whole answer of another length at once, rather than after as many bytes. */
function refuseOtherSize(reply: Reply, size: number): void {
  const length = reply.headers['content-length'];
  if (reply.status !== 200 || typeof length !== 'string' || Number(length) === size) return;
  reply.body.on('error', () => undefined).destroy();
  throw new WasmletError('ErrImagePull', `${shown(reply.url)} has ${length} bytes, but its descriptor says ${size}`);
}

function contentRangeStart(reply: Reply): number | undefined {
  const header = reply.headers['content-range'];
  const start = typeof header === 'string' ? /^bytes (\d+)-/.exec(header)?.[1] : undefined;
  return start === undefined ? undefined : Number(start);
}

async function writeBody(
  reply: Reply,
  at: { readonly file: FileHandle; readonly offset: number },
  size: number,
  limits: {
    readonly deadlineMs: number;
    readonly signal: AbortSignal;
    readonly onProgress: Source['onProgress'];
  },
): Promise<number> {
  let offset = at.offset;
  let seen = offset;
  const floor = (LIMITS.slowestBytesPerSecond * limits.deadlineMs) / 1000;
  const watch = setInterval(() => {
    if (offset - seen < floor) {
      const stalled = `no progress for ${limits.deadlineMs / 1000}s after ${offset} of ${size} bytes from ${shown(reply.url)}`;
      reply.body.destroy(new WasmletError('RegistryUnavailable', stalled));
    }
    seen = offset;
  }, limits.deadlineMs);
  try {
    for await (const chunk of reply.body as AsyncIterable<Buffer>) {
      if (offset + chunk.length > size) {
        throw new WasmletError('ErrImagePull', `${shown(reply.url)} sends more than the ${size} bytes it declared`);
      }
      await writeAll(at.file, chunk, offset);
      offset += chunk.length;
      limits.onProgress?.(offset);
    }
  } catch (error) {
    limits.signal.throwIfAborted();
    if (error instanceof WasmletError) throw error;
    throw new Dropped(messageOf(error), { cause: error });
  } finally {
    clearInterval(watch);
  }
  return offset;
}

/** Writes all of a chunk; a fault of the disk must not pass for one of the connection. */
async function writeAll(file: FileHandle, chunk: Buffer, position: number): Promise<void> {
  try {
    for (let done = 0; done < chunk.length;) {
      const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
      done += bytesWritten;
    }
  } catch (error) {
    throw new WasmletError('ErrImagePull', `cannot write into the image store: ${messageOf(error)}`, { cause: error });
  }
}

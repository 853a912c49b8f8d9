import type { Response } from 'express';

/**
 * Writes chunks to a response, each only when the one before has left the process: the reader of the response sets the
 * pace, and what waits in memory is one chunk.
 * @param stallMs a client that takes nothing for so long is let go
 * @returns false when the client went away or stalled
 */
export async function writeAll(
  response: Response,
  chunks: AsyncIterable<Uint8Array>,
  stallMs: number,
): Promise<boolean> {
  for await (const chunk of chunks) {
    if (!(await write(response, chunk, stallMs))) return false;
  }
  return !response.destroyed;
}

async function write(response: Response, chunk: Uint8Array, stallMs: number): Promise<boolean> {
  if (response.destroyed) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), stallMs);
  const onClose = () => resolve(false);
  response.once('close', onClose);
  // The chunk's memory is used again afterwards, hence not 'drain', which comes before the bytes are gone.
  response.write(chunk, (error) => resolve(!error));
  const written = await promise;
  clearTimeout(timer);
  response.off('close', onClose);
  if (!written) response.destroy();
  return written;
}

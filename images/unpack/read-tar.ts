import { createReadStream } from 'node:fs';
import { PassThrough, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { errnoOf, type WasmletError } from '../../base/errors.ts';
import { decompressor, type Compression } from '../content.ts';

/** An archive's entry, as tar-stream gives it. */
export interface Entry extends AsyncIterable<Buffer> {
  readonly header: Header;
  /** Reads on without keeping. */
  resume(): unknown;
}

/** Bytes that archives together may unpack to, their headers included, so that these are no way around it. */
export class ByteBudget {
  readonly #max: number;
  readonly #exceeded: (max: number) => WasmletError;
  #used = 0;

  constructor(max: number, exceeded: (max: number) => WasmletError) {
    this.#max = max;
    this.#exceeded = exceeded;
  }

  /** A stream that passes bytes on until the budget is spent. */
  meter(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.#used += chunk.length;
        if (this.#used > this.#max) done(this.#exceeded(this.#max));
        else done(null, chunk);
      },
    });
  }
}

export interface TarSource {
  readonly path: string;
  readonly compression: Compression;
  readonly budget: ByteBudget;
}

/**
 * Hands over the entries of a tar archive, one after the other.
 * @throws what made it end: an error of the file, of the archive, of its budget or of `take`; AbortError
 */
export async function readTar(
  { path, compression, budget }: TarSource,
  take: (entry: Entry) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  // Its types leave this option out: archives older than POSIX have no magic of their own.
  const archive = extract({ allowUnknownFormat: true } as object);
  const flow = pipeline(
    createReadStream(path),
    decompressor(compression) ?? new PassThrough(),
    budget.meter(),
    archive as unknown as NodeJS.WritableStream,
    { signal },
  );
  const flowed = flow.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  let taken: { readonly error: unknown } | undefined;
  try {
    for await (const entry of archive as AsyncIterable<unknown>) await take(entry as Entry);
  } catch (error) {
    taken = { error };
    archive.destroy();
  }
  const ended = await flowed;
  // Both sides end when one fails. Where an entry failed first, the flow knows only that its end was gone.
  const fault = isPrematureClose(ended?.error) ? (taken ?? ended) : (ended ?? taken);
  if (fault) throw fault.error;
}

const isPrematureClose = (error: unknown): boolean => errnoOf(error) === 'ERR_STREAM_PREMATURE_CLOSE';

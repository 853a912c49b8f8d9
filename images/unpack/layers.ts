import { createReadStream } from 'node:fs';
import { PassThrough, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract } from 'tar-stream';
import { errnoOf, messageOf, WasmletError } from '../../base/errors.ts';
import { decompressor, type Compression } from '../content.ts';
import { layerError } from './layer-error.ts';
import type { Tasks } from './tasks.ts';
import { TreeWriter, type Entry } from './tree-writer.ts';

/** File that a compressed module gets in the tree; a plain one is used where it lies in the store. */
export const UNPACKED_MODULE = 'module.wasm';

/**
 * Flattens layers into a folder, lowest first, with whiteouts applied (image-spec, layer.md).
 * @throws WasmletError ErrImagePull naming the layer; the folder is then in no particular state
 */
export async function unpackLayers(
  { layers, destination, maxBytes, maxEntries }: Tasks['unpack']['input'],
  signal: AbortSignal,
): Promise<Tasks['unpack']['output']> {
  const writer = new TreeWriter(destination, maxEntries);
  const budget = new Budget(maxBytes);
  for (const layer of layers) {
    writer.beginLayer();
    try {
      if (layer.content.content === 'tar')
        await unpackTar(layer.path, layer.content.compression, { writer, budget, signal });
      else if (layer.content.content === 'core-module') {
        await unpackModule(layer.path, layer.content.compression, { writer, budget, signal });
      }
    } catch (error) {
      signal.throwIfAborted();
      throw new WasmletError('ErrImagePull', `failed to extract layer ${layer.digest}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
  return { entries: writer.entries };
}

interface Context {
  readonly writer: TreeWriter;
  readonly budget: Budget;
  readonly signal: AbortSignal;
}

/** Bytes that all layers together may unpack to, archive headers included, so that these are no way around it. */
class Budget {
  readonly #max: number;
  #used = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** A stream that passes bytes on until the budget is spent. */
  meter(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        this.#used += chunk.length;
        if (this.#used > this.#max) done(layerError(`unpacks to more than ${this.#max} bytes`));
        else done(null, chunk);
      },
    });
  }
}

async function unpackTar(path: string, compression: Compression, { writer, budget, signal }: Context): Promise<void> {
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
  let entryFault: unknown;
  try {
    for await (const entry of archive as AsyncIterable<unknown>) await writer.add(entry as Entry);
  } catch (error) {
    entryFault = error;
    archive.destroy();
  }
  const flowFault = (await flowed)?.error;
  // Both sides end when one fails. Where an entry failed first, the flow knows only that its end was gone.
  const cause = isPrematureClose(flowFault) ? (entryFault ?? flowFault) : (flowFault ?? entryFault);
  if (cause !== undefined) throw layerError(messageOf(cause), cause);
}

function isPrematureClose(error: unknown): boolean {
  return errnoOf(error) === 'ERR_STREAM_PREMATURE_CLOSE';
}

async function unpackModule(
  path: string,
  compression: Compression,
  { writer, budget, signal }: Context,
): Promise<void> {
  await pipeline(
    createReadStream(path),
    decompressor(compression) ?? new PassThrough(),
    budget.meter(),
    (source: AsyncIterable<Uint8Array>) => writer.addFile(UNPACKED_MODULE, source),
    { signal },
  );
}

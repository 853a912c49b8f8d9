import { createReadStream } from 'node:fs';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { decompressor, type Compression } from '../content.ts';
import { layerError } from './layer-error.ts';
import { ByteBudget, readTar } from './read-tar.ts';
import type { Tasks } from './tasks.ts';
import { TreeWriter } from './tree-writer.ts';

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
  const budget = new ByteBudget(maxBytes, (max) => layerError(`unpacks to more than ${max} bytes`));
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
  /** Of all layers together. */
  readonly budget: ByteBudget;
  readonly signal: AbortSignal;
}

async function unpackTar(path: string, compression: Compression, { writer, budget, signal }: Context): Promise<void> {
  try {
    await readTar({ path, compression, budget }, (entry) => writer.add(entry), signal);
  } catch (error) {
    throw layerError(messageOf(error), error);
  }
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

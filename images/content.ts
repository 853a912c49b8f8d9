import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { Transform } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';

export type Compression = 'none' | 'gzip' | 'zstd';

/** What a blob is, by its own bytes; media types in the wild are not to be relied upon (facts: every flavour differs). */
export interface BlobContent {
  readonly compression: Compression;
  /** 'core-module' and 'component' by the Wasm preamble, 'tar' by a header block's checksum, else 'data'. */
  readonly content: 'core-module' | 'component' | 'tar' | 'data';
}

const TAR_BLOCK = 512;
/** Compressed bytes that surely hold the first block. */
const HEAD_BYTES = 256 * 1024;
const TAR_CHECKSUM = { start: 148, end: 156 } as const;

/** A stream that undoes a compression; undefined for 'none'. */
export function decompressor(compression: Compression): Transform | undefined {
  if (compression === 'gzip') return createGunzip();
  // Bounds a frame's window, and so the memory that a hostile layer can claim, at zstd's own default of 128 MiB.
  if (compression === 'zstd') return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 27 } });
  return undefined;
}

/** Looks at the start of a file, through its compression. */
export async function inspectBlob(path: string): Promise<BlobContent> {
  const head = await readHead(path, TAR_BLOCK);
  const compression = compressionOf(head);
  const start = compression === 'none' ? head : await decompressedHead(path, compression);
  return { compression, content: contentOf(start) };
}

async function readHead(path: string, length: number): Promise<Buffer> {
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}

function compressionOf(head: Buffer): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  return head.length >= 4 && head.readUInt32LE(0) === 0xfd2fb528 ? 'zstd' : 'none';
}

/** The first block behind a compression; shorter where the stream is broken, which unpacking will tell. */
async function decompressedHead(path: string, compression: Compression): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const unpacker = decompressor(compression);
  if (unpacker === undefined) return Buffer.alloc(0);
  try {
    await pipeline(createReadStream(path, { end: HEAD_BYTES - 1 }), unpacker, async (source: AsyncIterable<Buffer>) => {
      for await (const chunk of source) {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= TAR_BLOCK) return;
      }
    });
  } catch {
    // Cut off at HEAD_BYTES, or broken: what came counts.
  }
  return Buffer.concat(chunks).subarray(0, TAR_BLOCK);
}

/** Tells content by its first bytes (core spec 5.5.16 and component-model Binary.md for the preambles). */
export function contentOf(head: Buffer): BlobContent['content'] {
  if (head.length >= 8 && head.readUInt32BE(0) === 0x0061736d) {
    // Bytes 4-5 version, 6-7 layer: core modules are version 1 of layer 0, components any version of layer 1.
    return head.readUInt16LE(6) === 1 ? 'component' : 'core-module';
  }
  return isTarBlock(head) ? 'tar' : 'data';
}

function isTarBlock(block: Buffer): boolean {
  if (block.length < TAR_BLOCK) return false;
  const sum = block
    .subarray(0, TAR_BLOCK)
    .reduce((total, byte, at) => total + (at >= TAR_CHECKSUM.start && at < TAR_CHECKSUM.end ? 0x20 : byte), 0);
  if (block.every((byte) => byte === 0)) return true; // an empty archive
  const text = block.toString('latin1', TAR_CHECKSUM.start, TAR_CHECKSUM.end).replace(/[\0 ]+/g, '');
  return /^[0-7]+$/.test(text) && Number.parseInt(text, 8) === sum;
}

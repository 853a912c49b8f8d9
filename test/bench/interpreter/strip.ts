import { ByteReader } from '../../../runtime/wasm/bytes.ts';

const HEADER_BYTES = 8;

/** A module without its custom sections: names, debugging information, producers. */
export function withoutCustomSections(module: Uint8Array): Buffer {
  const reader = new ByteReader(module, HEADER_BYTES);
  const kept = [module.subarray(0, HEADER_BYTES)];
  while (!reader.atEnd) {
    const start = reader.offset;
    const id = reader.u8();
    reader.skip(reader.u32());
    if (id !== 0) kept.push(module.subarray(start, reader.offset));
  }
  return Buffer.concat(kept);
}

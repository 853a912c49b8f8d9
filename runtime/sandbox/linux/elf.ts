import { closeSync, openSync, readSync } from 'node:fs';

/** ELF, 64 bits, little-endian (elf(5)): offsets in the header of a file and of a segment. */
const HEADER_BYTES = 64;
const SEGMENTS_AT = 0x20;
const SEGMENT_BYTES_AT = 0x36;
const SEGMENT_COUNT_AT = 0x38;
const FILE_OFFSET_AT = 0x08;
const FILE_BYTES_AT = 0x20;
const PT_INTERP = 3;
/** As the kernel's own bound: a path. */
const MAX_PATH_BYTES = 4096;

/**
 * The loader that a program asks the kernel for, such as /lib64/ld-linux-x86-64.so.2.
 * @returns undefined for a program that is linked statically
 * @throws system errors
 */
export function loaderOf(program: string): string | undefined {
  const fd = openSync(program, 'r');
  try {
    const read = (length: number, position: number): Buffer => {
      const bytes = Buffer.alloc(length);
      return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
    };
    const header = read(HEADER_BYTES, 0);
    const [size, count] = [header.readUInt16LE(SEGMENT_BYTES_AT), header.readUInt16LE(SEGMENT_COUNT_AT)];
    const segments = read(size * count, Number(header.readBigUInt64LE(SEGMENTS_AT)));
    for (let at = 0; at < segments.length; at += size) {
      if (segments.readUInt32LE(at) !== PT_INTERP) continue;
      const length = Math.min(Number(segments.readBigUInt64LE(at + FILE_BYTES_AT)), MAX_PATH_BYTES);
      return read(length, Number(segments.readBigUInt64LE(at + FILE_OFFSET_AT)))
        .toString()
        .replace(/\0.*$/s, '');
    }
    return undefined;
  } finally {
    closeSync(fd);
  }
}

import { malformed } from './module-error.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the values of the binary format (core specification, "Binary Format", Values) from a part of a module, and
 * never beyond its end. Offsets are those of the module, also in errors.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  /** Where the next byte is read. */
  offset: number;
  /** The end of the part. */
  readonly end: number;
  /** The rule that a read beyond the end breaks. */
  readonly #endRule: string;
  #lazyView: DataView | undefined;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length, endRule = 'unexpected end') {
    this.bytes = bytes;
    this.offset = start;
    this.end = end;
    this.#endRule = endRule;
  }

  /** Most readers read no number that needs it, and there is one for each function. */
  get #view(): DataView {
    const { buffer, byteOffset, byteLength } = this.bytes;
    return (this.#lazyView ??= new DataView(buffer, byteOffset, byteLength));
  }

  get atEnd(): boolean {
    return this.offset >= this.end;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  /** @throws ModuleError at the end of the part */
  u8(): number {
    if (this.offset >= this.end) malformed(this.#endRule, this.end);
    return this.bytes[this.offset++] ?? 0;
  }

  /** The next byte without taking it; -1 at the end. */
  peek(): number {
    return this.offset < this.end ? (this.bytes[this.offset] ?? -1) : -1;
  }

  /** Steps over bytes and says where they began. @throws ModuleError when there are fewer */
  skip(length: number, rule = this.#endRule): number {
    const start = this.offset;
    if (length > this.end - start) malformed(rule, start, `${length} bytes needed, ${this.end - start} left`);
    this.offset = start + length;
    return start;
  }

  u32(): number {
    const first = this.offset;
    const byte = this.u8();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      const next = this.u8();
      value |= (next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
    const last = this.u8();
    if (last >= 0x80) malformed('integer representation too long', first);
    if (last > 0x0f) malformed('integer too large', first);
    return (value | (last << 28)) >>> 0;
  }

  s32(): number {
    return this.#signed(0x07, 0x78);
  }

  /** A number of 33 bits with a sign: a type index, or the negative code of a type. */
  s33(): number {
    return this.#signed(0x0f, 0x70);
  }

  /**
   * A signed number of at most five bytes.
   * @param mostPositive the fifth byte at the most, of a positive number
   * @param leastNegative the fifth byte at the least, of a negative one: the bits beyond the number are as its sign
   */
  #signed(mostPositive: number, leastNegative: number): number {
    const first = this.offset;
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const next = this.u8();
      value |= (next & 0x7f) << shift;
      if (next < 0x80) return (value << (25 - shift)) >> (25 - shift);
    }
    const last = this.u8();
    if (last >= 0x80) malformed('integer representation too long', first);
    if (last > mostPositive && last < leastNegative) malformed('integer too large', first);
    const low = (value | (last << 28)) >>> 0;
    return (last & 0x40) === 0 ? low : low - 2 ** 32;
  }

  u64(): bigint {
    const [low, high] = this.#leb64(false);
    return (BigInt(high) << 32n) | BigInt(low);
  }

  s64(): bigint {
    // Most are small, and the others take several big numbers to put together.
    const byte = this.peek();
    if (byte >= 0 && byte < 0x80) {
      this.offset++;
      return BigInt((byte << 25) >> 25);
    }
    const [low, high] = this.#leb64(true);
    return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
  }

  /** The two halves of a number of 64 bits, each without a sign. */
  u64Halves(): readonly [low: number, high: number] {
    return this.#leb64(false);
  }

  #leb64(signed: boolean): readonly [low: number, high: number] {
    const first = this.offset;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 63; shift += 7) {
      const byte = this.u8();
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        if (signed && (byte & 0x40) !== 0) [low, high] = extendSign(low, high, shift + 7);
        return [low >>> 0, high >>> 0];
      }
    }
    const last = this.u8();
    if (last >= 0x80) malformed('integer representation too long', first);
    if (signed ? last !== 0 && last !== 0x7f : last > 1) malformed('integer too large', first);
    return [low >>> 0, (high | (last << 31)) >>> 0];
  }

  /** An unsigned number of 32 bits, little-endian and not compressed. */
  fixedU32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }

  /** A vector's length: each element takes at least a byte, so no vector is longer than what is left. */
  count(rule = this.#endRule): number {
    const at = this.offset;
    const count = this.u32();
    if (count > this.end - this.offset) malformed(rule, at, `${count} elements in ${this.remaining} bytes`);
    return count;
  }

  /** A name: UTF-8 behind its length. */
  name(): string {
    const length = this.u32();
    const start = this.skip(length, 'length out of bounds');
    try {
      return utf8.decode(this.bytes.subarray(start, start + length));
    } catch {
      return malformed('malformed UTF-8 encoding', start);
    }
  }
}

function extendSign(low: number, high: number, bits: number): [low: number, high: number] {
  if (bits >= 64) return [low, high];
  if (bits >= 32) return [low, bits === 32 ? -1 : high | (-1 << (bits - 32))];
  return [low | (-1 << bits), -1];
}

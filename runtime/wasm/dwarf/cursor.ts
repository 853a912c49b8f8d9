const utf8 = new TextDecoder();
const LEB_BITS = 7;

/** Reads the values of DWARF, little-endian. What leaves the section throws a RangeError: it is damaged. */
export class Cursor {
  readonly bytes: Uint8Array;
  offset: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.offset >= this.bytes.length;
  }

  skip(length: number): number {
    const start = this.offset;
    // Also what is no number any more.
    if (!(start + length <= this.bytes.length)) throw new RangeError('a DWARF section ends too early');
    this.offset = start + length;
    return start;
  }

  u8 = (): number => this.#view.getUint8(this.skip(1));
  i8 = (): number => this.#view.getInt8(this.skip(1));
  u16 = (): number => this.#view.getUint16(this.skip(2), true);
  u32 = (): number => this.#view.getUint32(this.skip(4), true);
  u64 = (): number => Number(this.#view.getBigUint64(this.skip(8), true));

  /** As wide as offsets are in this unit. */
  offsetValue = (is64: boolean): number => (is64 ? this.u64() : this.u32());

  uleb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 1 << LEB_BITS) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  sleb(): number {
    let value = 0;
    for (let scale = 1; ;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      scale *= 1 << LEB_BITS;
      if (byte < 0x80) return (byte & 0x40) === 0 ? value : value - scale;
    }
  }

  /** Up to a NUL, which is taken too. */
  string(): string {
    const end = this.bytes.indexOf(0, this.offset);
    if (end === -1) throw new RangeError('a DWARF section ends too early');
    const text = utf8.decode(this.bytes.subarray(this.offset, end));
    this.offset = end + 1;
    return text;
  }
}

/** The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), read. */

/** What is in a message, field by field as it comes. */
export interface WireField {
  readonly number: number;
  /** Of a length-delimited field. */
  readonly bytes?: Buffer;
  /** Of any other, as it stands: 64 bits without a sign. */
  readonly value?: bigint;
}

const [VARINT, FIXED64, LENGTH, FIXED32] = [0, 1, 2, 5] as const;

/** @throws RangeError for what is cut off or not in this format */
export function* wireFields(message: Buffer): Generator<WireField> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message.readUInt8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError('a number has too many bytes');
  };
  while (at < message.length) {
    const tag = Number(varint());
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case VARINT:
        yield { number, value: varint() };
        break;
      case FIXED64:
        yield { number, value: message.readBigUInt64LE(at) };
        at += 8;
        break;
      case FIXED32:
        yield { number, value: BigInt(message.readUInt32LE(at)) };
        at += 4;
        break;
      case LENGTH: {
        const length = Number(varint());
        if (at + length > message.length) throw new RangeError('a field is cut off');
        yield { number, bytes: message.subarray(at, at + length) };
        at += length;
        break;
      }
      default:
        throw new RangeError(`a field has the unknown wire type ${tag % 8}`);
    }
  }
}

/**
 * The two messages of grpc.health.v1 in protocol buffers' wire format: too little to carry a parser of .proto files
 * along for.
 */

/** Wire types: protobuf.dev/programming-guides/encoding. */
const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5] as const;

/** HealthCheckResponse.ServingStatus */
const SERVING_STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** HealthCheckRequest { string service = 1; } */
export function encodeHealthRequest(service: string): Buffer {
  const name = Buffer.from(service);
  if (name.length === 0) return name;
  return Buffer.concat([Buffer.from([(1 << 3) | BYTES, ...varint(name.length)]), name]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/**
 * HealthCheckResponse { ServingStatus status = 1; }
 * @returns the status by its name, or its number where it has none
 * @throws RangeError for what is no such message
 */
export function decodeHealthResponse(message: Buffer): string {
  let status = 0;
  const reader = new WireReader(message);
  while (!reader.atEnd) {
    const tag = reader.varint();
    if (tag >> 3 === 1 && (tag & 7) === VARINT) status = reader.varint();
    else reader.skip(tag & 7);
  }
  return SERVING_STATUS[status] ?? String(status);
}

class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  skip(wireType: number): void {
    if (wireType === VARINT) this.varint();
    else if (wireType === FIXED64) this.#at += 8;
    else if (wireType === BYTES) {
      const length = this.varint();
      this.#at += length;
    } else if (wireType === FIXED32) this.#at += 4;
    else throw new RangeError(`a message with wire type ${wireType}`);
  }
}

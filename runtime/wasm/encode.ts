import { heapOf, isNullable, isRef, typeIndexOf, type ValueType } from './types.ts';

/** Writing of the binary format: only what the rewriter and tests need. */

const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** LEB128 of a number without a sign, up to 53 bits. */
export function u32(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return bytes;
}

/** LEB128 of a number with a sign, of 64 bits at most. */
export function signed(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (;;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    const last = (rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0);
    bytes.push(last ? byte : byte | 0x80);
    if (last) return bytes;
  }
}

/** A name: UTF-8 behind its length. */
export function encodeName(name: string): number[] {
  const bytes = Buffer.from(name);
  return [...u32(bytes.length), ...bytes];
}

/** A value type, as type-reader.ts reads it. */
export function encodeValueType(type: ValueType): number[] {
  if (!isRef(type)) return [type];
  const heap = heapOf(type);
  const index = typeIndexOf(heap);
  return [isNullable(type) ? 0x63 : 0x64, ...(index === undefined ? [heap & 0x7f] : signed(index))];
}

/** A module of sections, each a number and its content; they are written in the order given. */
export function encodeModule(
  sections: readonly (readonly [id: number, content: ArrayLike<number>])[],
): Uint8Array<ArrayBuffer> {
  const parts = sections.map(([id, content]) => ({ head: [id, ...u32(content.length)], content }));
  const length = parts.reduce((sum, { head, content }) => sum + head.length + content.length, HEADER.length);
  const bytes = new Uint8Array(length);
  bytes.set(HEADER);
  let at = HEADER.length;
  for (const { head, content } of parts) {
    bytes.set(head, at);
    bytes.set(content, at + head.length);
    at += head.length + content.length;
  }
  return bytes;
}

import { I32, I64, type ValueType } from '../types.ts';
import { instruction } from './assembler.ts';

/** What a bulk instruction does at once; a larger one is cut. About 30 µs, or 0.3 ms where pages are touched first. */
export const CHUNK_BYTES = 1 << 20;
const PAGE_SHIFT = 16;

interface Memory {
  readonly index: number;
  readonly address: ValueType;
}

const prefix = (address: ValueType): string => (address === I64 ? 'i64' : 'i32');
const get = (local: number): number[] => instruction('local.get', local);
const constant = (type: ValueType, value: number): number[] => instruction(`${prefix(type)}.const`, value);

/** A local of type `from` as one of type `to`, which is as wide or wider. */
function widened(local: number, from: ValueType, to: ValueType): number[] {
  return from === I32 && to === I64 ? [...get(local), ...instruction('i64.extend_i32_u')] : get(local);
}

/** local = local OP other, which is of the local's type. */
function update(local: number, type: ValueType, operation: 'add' | 'sub', other: number[]): number[] {
  return [...get(local), ...other, ...instruction(`${prefix(type)}.${operation}`), ...instruction('local.set', local)];
}

/** Leaves the block around it when the range is not inside the memory: `n > size or at > size - n`, in 64 bits. */
function leaveIfOutside({ index, address }: Memory, at: number, length: number, lengthType: ValueType): number[] {
  const size = [
    ...[...instruction('memory.size', index), ...(address === I32 ? instruction('i64.extend_i32_u') : [])],
    ...[...instruction('i64.const', PAGE_SHIFT), ...instruction('i64.shl')],
  ];
  const wide = widened(length, lengthType, I64);
  return [
    ...[...wide, ...size, ...instruction('i64.gt_u'), ...instruction('br_if', 0)],
    ...[...widened(at, address, I64), ...size, ...wide, ...instruction('i64.sub'), ...instruction('i64.gt_u')],
    ...instruction('br_if', 0),
  ];
}

/** While more than a chunk is left, `step` does one and takes it off, with a check after each. */
function chunks(check: Uint8Array, length: number, lengthType: ValueType, step: number[]): number[] {
  return [
    ...instruction('loop'),
    ...[...step, ...check],
    ...[...get(length), ...constant(lengthType, CHUNK_BYTES), ...instruction(`${prefix(lengthType)}.gt_u`)],
    ...[...instruction('br_if', 0), ...instruction('end')],
  ];
}

const leaveIfShort = (length: number, type: ValueType): number[] => [
  ...[...get(length), ...constant(type, CHUNK_BYTES), ...instruction(`${prefix(type)}.le_u`)],
  ...instruction('br_if', 0),
];

/**
 * memory.fill(target 0, value 1, length 2). As the instruction, it writes nothing when the range is not inside the
 * memory: then it is done at once, and traps.
 */
export function fillBody(check: Uint8Array, memory: Memory): number[] {
  const { address } = memory;
  const fill = (length: number[]): number[] => [
    ...[...get(0), ...get(1), ...length, ...instruction('memory.fill', memory.index)],
  ];
  const chunk = constant(address, CHUNK_BYTES);
  const step = [...fill(chunk), ...update(0, address, 'add', chunk), ...update(2, address, 'sub', chunk)];
  return [
    ...instruction('block'),
    ...leaveIfShort(2, address),
    ...leaveIfOutside(memory, 0, 2, address),
    ...chunks(check, 2, address, step),
    ...instruction('end'),
    ...fill(get(2)),
  ];
}

/** memory.copy(target 0, source 1, length 2): from the end on where the target overlaps the source behind it. */
export function copyBody(check: Uint8Array, to: Memory, from: Memory): number[] {
  const lengthType = to.address === I64 && from.address === I64 ? I64 : I32;
  const copy = instruction('memory.copy', to.index, from.index);
  const chunk = (type: ValueType): number[] => constant(type, CHUNK_BYTES);
  const forwards = [
    ...[...get(0), ...get(1), ...chunk(lengthType), ...copy],
    ...[...update(0, to.address, 'add', chunk(to.address)), ...update(1, from.address, 'add', chunk(from.address))],
    ...update(2, lengthType, 'sub', chunk(lengthType)),
  ];
  return [
    ...instruction('block'),
    ...leaveIfShort(2, lengthType),
    ...leaveIfOutside(to, 0, 2, lengthType),
    ...leaveIfOutside(from, 1, 2, lengthType),
    ...(to.index === from.index ? backwardsIfBehind(check, to.address, copy) : []),
    ...chunks(check, 2, lengthType, forwards),
    ...instruction('end'),
    ...[...get(0), ...get(1), ...get(2), ...copy],
  ];
}

/** Within one memory all three operands are of its address type. */
function backwardsIfBehind(check: Uint8Array, address: ValueType, copy: number[]): number[] {
  const type = prefix(address);
  const end = (local: number): number[] => [...get(local), ...get(2), ...instruction(`${type}.add`)];
  const chunk = constant(address, CHUNK_BYTES);
  const step = [...update(2, address, 'sub', chunk), ...end(0), ...end(1), ...chunk, ...copy];
  return [
    ...[...get(0), ...get(1), ...instruction(`${type}.gt_u`), ...instruction('if')],
    ...chunks(check, 2, address, step),
    ...[...instruction('br', 1), ...instruction('end')],
  ];
}

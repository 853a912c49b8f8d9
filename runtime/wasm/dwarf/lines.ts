import { Cursor } from './cursor.ts';
import { readLineHeader, type LineHeader, type LineSections } from './line-header.ts';

export interface SourceLine {
  readonly file: string;
  readonly line: number;
  /** 0: not told. */
  readonly column: number;
}

/** DW_LNS_… */
const STANDARD = {
  extended: 0,
  copy: 1,
  advancePc: 2,
  advanceLine: 3,
  setFile: 4,
  setColumn: 5,
  constAddPc: 8,
  fixedAdvancePc: 9,
} as const;
/** DW_LNE_… */
const EXTENDED = { endSequence: 1, setAddress: 2 } as const;

/** Linkers give the code that they have left out one of the last addresses (LLVM's tombstones), or 0. */
const FIRST_TOMBSTONE = 0xffff_fffe;
const LAST_SPECIAL = 255;

interface Row {
  address: number;
  file: number;
  line: number;
  column: number;
}

const firstRow = (): Row => ({ address: 0, file: 1, line: 1, column: 0 });

/**
 * Finds the lines of the source that instructions were compiled from (DWARF versions 2 to 5, line number information;
 * DWARF for WebAssembly: addresses count from the start of the code section's content).
 * @param addresses of instructions
 * @returns by address; those that no line table knows are missing
 * @throws RangeError when a section is damaged
 */
export function findLines(sections: LineSections, addresses: readonly number[]): Map<number, SourceLine> {
  const found = new Map<number, SourceLine>();
  const cursor = new Cursor(sections.line);
  while (!cursor.atEnd && found.size < new Set(addresses).size) {
    const header = readLineHeader(cursor, sections);
    if (header === undefined) continue;
    for (const [row, end] of rowsOf(header, sections.line)) {
      for (const address of addresses) {
        if (address < row.address || address >= end || row.line === 0) continue;
        found.set(address, { file: header.fileName(row.file), line: row.line, column: row.column });
      }
    }
  }
  return found;
}

/** Runs a line number program: each row with the address at which the next begins. */
function* rowsOf(header: LineHeader, line: Uint8Array): Generator<readonly [row: Readonly<Row>, end: number]> {
  let last: Row | undefined;
  for (const { row, ends } of statesOf(
    header,
    new Cursor(line.subarray(0, header.program.end), header.program.start),
  )) {
    if (last !== undefined && row.address > last.address) yield [last, row.address];
    last = ends || row.address === 0 || row.address >= FIRST_TOMBSTONE ? undefined : row;
  }
}

/** The rows that the program emits, and the ends of its sequences. */
function* statesOf(header: LineHeader, program: Cursor): Generator<{ readonly row: Row; readonly ends: boolean }> {
  let row = firstRow();
  while (!program.atEnd) {
    const opcode = program.u8();
    if (opcode >= header.opcodeBase) {
      advanceSpecially(row, header, opcode);
      yield { row: { ...row }, ends: false };
    } else if (opcode === STANDARD.copy) {
      yield { row: { ...row }, ends: false };
    } else if (opcode !== STANDARD.extended) {
      advance(row, header, opcode, program);
    } else if (extended(row, program)) {
      yield { row, ends: true };
      row = firstRow();
    }
  }
}

function advanceSpecially(row: Row, { opcodeBase, lineBase, lineRange, ...header }: LineHeader, opcode: number): void {
  const adjusted = opcode - opcodeBase;
  row.address += Math.floor(adjusted / lineRange) * header.minimumInstructionLength;
  row.line += lineBase + (adjusted % lineRange);
}

function advance(row: Row, header: LineHeader, opcode: number, program: Cursor): void {
  switch (opcode) {
    case STANDARD.advancePc:
      row.address += program.uleb() * header.minimumInstructionLength;
      return;
    case STANDARD.advanceLine:
      row.line += program.sleb();
      return;
    case STANDARD.setFile:
      row.file = program.uleb();
      return;
    case STANDARD.setColumn:
      row.column = program.uleb();
      return;
    case STANDARD.constAddPc:
      row.address +=
        Math.floor((LAST_SPECIAL - header.opcodeBase) / header.lineRange) * header.minimumInstructionLength;
      return;
    case STANDARD.fixedAdvancePc:
      row.address += program.u16();
      return;
    default:
      for (let operand = 0; operand < (header.operandCounts[opcode - 1] ?? 0); operand++) program.uleb();
  }
}

/** @returns whether the sequence ends */
function extended(row: Row, program: Cursor): boolean {
  const length = program.uleb();
  const start = program.skip(length);
  if (length === 0) return false;
  const operand = new Cursor(program.bytes.subarray(0, program.offset), start);
  const code = operand.u8();
  if (code === EXTENDED.setAddress) row.address = length === 9 ? operand.u64() : operand.u32();
  return code === EXTENDED.endSequence;
}

import { Cursor } from './cursor.ts';

/** The custom sections that hold a module's line tables; the last two are only there in version 5. */
export interface LineSections {
  readonly line: Uint8Array;
  readonly lineStr: Uint8Array | undefined;
  readonly str: Uint8Array | undefined;
}

/** DWARF version 5, 6.2.4 and version 4, 6.2.4: what a line number program is run with. */
export interface LineHeader {
  readonly minimumInstructionLength: number;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** How many operands each standard opcode has, from 1. */
  readonly operandCounts: readonly number[];
  /** The path of the file with this number. */
  readonly fileName: (file: number) => string;
  /** Where the program begins and ends. */
  readonly program: { readonly start: number; readonly end: number };
}

interface FileEntry {
  readonly name: string;
  readonly directory: number;
}

const IS_64 = 0xffffffff;
const FIRST_VERSION = 2;
const LAST_VERSION = 5;

/** DW_LNCT_… */
const CONTENT = { path: 1, directoryIndex: 2 } as const;
/** DW_FORM_… */
const FORM = {
  data2: 0x05,
  data4: 0x06,
  data8: 0x07,
  string: 0x08,
  block: 0x09,
  data1: 0x0b,
  strp: 0x0e,
  udata: 0x0f,
  data16: 0x1e,
  lineStrp: 0x1f,
} as const;

/**
 * Reads the header of the unit at the cursor, and leaves the cursor behind the unit.
 * @returns undefined for a unit of a version that is not known
 * @throws RangeError when the section is damaged
 */
export function readLineHeader(cursor: Cursor, sections: LineSections): LineHeader | undefined {
  let length = cursor.u32();
  const is64 = length === IS_64;
  if (is64) length = cursor.u64();
  const end = cursor.offset + length;
  const unit = new Cursor(cursor.bytes.subarray(0, end), cursor.offset);
  cursor.skip(length);
  const version = unit.u16();
  if (version < FIRST_VERSION || version > LAST_VERSION) return undefined;
  // Sizes of an address and of a segment selector: addresses say their own size.
  if (version >= 5) unit.skip(2);
  const headerLength = unit.offsetValue(is64);
  const start = unit.offset + headerLength;
  const minimumInstructionLength = unit.u8();
  // The most operations in an instruction: Wasm has no such.
  if (version >= 4) unit.skip(1);
  // Whether rows are statements at first, which nobody asks here.
  unit.skip(1);
  const lineBase = unit.i8();
  const lineRange = unit.u8();
  const opcodeBase = unit.u8();
  const operandCounts = Array.from({ length: opcodeBase - 1 }, () => unit.u8());
  if (lineRange === 0) throw new RangeError('a DWARF line table has a range of 0');
  const fileName = version >= 5 ? filesOf5(unit, is64, sections) : filesOf4(unit);
  return {
    minimumInstructionLength,
    lineBase,
    lineRange,
    opcodeBase,
    operandCounts,
    fileName,
    program: { start, end },
  };
}

/** Directory 0 is that of the compilation, which says nothing to those who read a trap. */
function pathOf(entry: FileEntry | undefined, directories: readonly string[]): string {
  if (entry === undefined) return '?';
  const directory = entry.directory === 0 ? undefined : directories[entry.directory];
  return directory === undefined || entry.name.startsWith('/') ? entry.name : `${directory}/${entry.name}`;
}

function filesOf4(unit: Cursor): LineHeader['fileName'] {
  const directories = [''];
  for (let name = unit.string(); name !== ''; name = unit.string()) directories.push(name);
  const files: FileEntry[] = [];
  for (let name = unit.string(); name !== ''; name = unit.string()) {
    files.push({ name, directory: unit.uleb() });
    // Its time and size.
    unit.uleb();
    unit.uleb();
  }
  return (file) => pathOf(files[file - 1], directories);
}

function filesOf5(unit: Cursor, is64: boolean, sections: LineSections): LineHeader['fileName'] {
  const directories = readEntries(unit, is64, sections).map(({ name }) => name);
  const files = readEntries(unit, is64, sections);
  return (file) => pathOf(files[file], directories);
}

function readEntries(unit: Cursor, is64: boolean, sections: LineSections): FileEntry[] {
  const format = Array.from({ length: unit.u8() }, () => ({ content: unit.uleb(), form: unit.uleb() }));
  const count = unit.uleb();
  const entries: FileEntry[] = [];
  // An entry without a format takes no bytes: a damaged count would have no end.
  while (format.length > 0 && entries.length < count) {
    const entry = { name: '', directory: 0 };
    for (const { content, form } of format) {
      const value = readForm(unit, form, is64, sections);
      if (content === CONTENT.path) entry.name = String(value);
      if (content === CONTENT.directoryIndex) entry.directory = Number(value);
    }
    entries.push(entry);
  }
  return entries;
}

function readForm(unit: Cursor, form: number, is64: boolean, { lineStr, str }: LineSections): string | number {
  switch (form) {
    case FORM.string:
      return unit.string();
    case FORM.lineStrp:
      return stringAt(lineStr, unit.offsetValue(is64));
    case FORM.strp:
      return stringAt(str, unit.offsetValue(is64));
    case FORM.udata:
      return unit.uleb();
    case FORM.data1:
      return unit.u8();
    case FORM.data2:
      return unit.u16();
    case FORM.data4:
      return unit.u32();
    case FORM.data8:
      return unit.u64();
    case FORM.data16:
      return unit.skip(16);
    case FORM.block:
      return unit.skip(unit.uleb());
    default:
      throw new RangeError(`a DWARF line table has form ${form}`);
  }
}

const stringAt = (section: Uint8Array | undefined, offset: number): string =>
  section === undefined ? '?' : new Cursor(section, offset).string();

import type { FunctionType, GlobalType, MemoryType, TableType, ValueType } from './types.ts';

/** Offsets in a module, from the first byte on: `start` is the first byte, `end` the one behind the last. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A constant expression: its instructions with the closing `end`. */
export type Expression = Range;

export type ExternalKind = 'function' | 'table' | 'memory' | 'global' | 'tag';

export interface Import {
  readonly module: string;
  readonly name: string;
  readonly kind: ExternalKind;
  /** Offset of the import. */
  readonly start: number;
}

export interface Export {
  readonly name: string;
  readonly kind: ExternalKind;
  readonly index: number;
  readonly start: number;
}

export interface Table {
  readonly type: TableType;
  /** What its elements are at first; undefined: null, or imported. */
  readonly init: Expression | undefined;
  readonly start: number;
}

export interface Memory {
  readonly type: MemoryType;
  readonly start: number;
}

export interface Global {
  readonly type: GlobalType;
  /** Undefined for an imported one. */
  readonly init: Expression | undefined;
  readonly start: number;
}

/** A function or a tag: the index of its type. */
export interface Typed {
  readonly type: number;
  readonly start: number;
}

/** Where a segment goes when the module is instantiated. */
export interface Placement {
  /** Index of the table or memory. */
  readonly target: number;
  readonly offset: Expression;
}

export interface ElementSegment {
  /** Active segments have a placement; declarative ones are only named by ref.func. */
  readonly mode: 'active' | 'passive' | 'declarative';
  readonly placement: Placement | undefined;
  readonly type: ValueType;
  /** The elements: indices of functions, or constant expressions. */
  readonly items: readonly number[] | readonly Expression[];
  readonly start: number;
}

export interface DataSegment {
  /** Undefined for a passive one. */
  readonly placement: Placement | undefined;
  readonly content: Range;
  readonly start: number;
}

/** Locals of one type that follow one another. */
export interface LocalRun {
  readonly count: number;
  readonly type: ValueType;
}

export interface FunctionBody {
  /** Offset of the body's size; `end` is behind the closing `end`. */
  readonly start: number;
  readonly end: number;
  /** Offset of the declaration of locals, behind the size. */
  readonly localsStart: number;
  /** Offset of the first instruction. */
  readonly codeStart: number;
  /** Declared locals, without parameters. */
  readonly locals: readonly LocalRun[];
}

export interface CustomSection {
  readonly name: string;
  /** The content behind the name. */
  readonly content: Range;
  /** Index in `sections`. */
  readonly section: number;
}

export interface Section {
  readonly id: number;
  /** Offset of the section's number. */
  readonly start: number;
  readonly content: Range;
}

/**
 * A decoded module: definitions as they are, in the index spaces of the specification (imported ones come first).
 * Function bodies are not yet read (validate.ts, instructions.ts). It keeps the bytes: offsets point into them.
 */
export interface Module {
  readonly bytes: Uint8Array;
  readonly sections: readonly Section[];
  readonly types: readonly FunctionType[];
  /** Of each type: the index of the first of its recursive group. Most types are alone in theirs. */
  readonly typeGroups: readonly number[];
  readonly imports: readonly Import[];
  readonly functions: readonly Typed[];
  readonly tables: readonly Table[];
  readonly memories: readonly Memory[];
  readonly globals: readonly Global[];
  readonly tags: readonly Typed[];
  readonly exports: readonly Export[];
  /** Index of the start function. */
  readonly start: { readonly function: number; readonly start: number } | undefined;
  readonly elements: readonly ElementSegment[];
  /** What the data count section says. */
  readonly dataCount: number | undefined;
  /** One for each function that is not imported. */
  readonly bodies: readonly FunctionBody[];
  readonly data: readonly DataSegment[];
  readonly custom: readonly CustomSection[];
  /** How many of each index space are imported. */
  readonly imported: Readonly<Record<ExternalKind, number>>;
}

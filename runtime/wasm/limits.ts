/**
 * How much of anything a module may have. The numbers are those of the JS API specification, "Implementation-defined
 * Limits", which every browser and V8 hold: a module within them runs on both engines, one beyond them on neither.
 */
export const LIMITS = {
  moduleBytes: 1_073_741_824,
  types: 1_000_000,
  functions: 1_000_000,
  imports: 1_000_000,
  exports: 1_000_000,
  globals: 1_000_000,
  tags: 1_000_000,
  tables: 100_000,
  memories: 100,
  elementSegments: 10_000_000,
  dataSegments: 100_000,
  elementsOfSegment: 10_000_000,
  /** Elements that a table may begin with. */
  tableElements: 10_000_000,
  functionBytes: 7_654_321,
  parameters: 1_000,
  results: 1_000,
  locals: 50_000,
  /** V8's; the JS API names none. */
  branchTable: 65_520,
  /** Ours: blocks within blocks, far beyond what compilers make. V8 has none. */
  nesting: 100_000,
} as const;

/** Pages of 64 KiB that a memory with i32 addresses may have. */
export const MAX_PAGES_32 = 65_536n;
/** The same with i64 addresses, by validation; engines have fewer. */
export const MAX_PAGES_64 = 1n << 48n;
export const PAGE_BYTES = 65_536;

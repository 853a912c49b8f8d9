/** What of the suite is not run, and why: docs/reference/spec-suite.md lists the same. */
export interface Skip {
  /** A folder ('gc/'), a file ('core/type-rec') or lines of one ('threads/imports:310,314'). */
  readonly what: string;
  readonly why: string;
}

const GC = 'needs garbage collection, which the decoder refuses by name';
const ONE_MEMORY = 'holds to version 2.0, where a module has one memory and one table; 3.0 allows many';

export const SKIPS: readonly Skip[] = [
  { what: 'gc/', why: GC },
  { what: 'core/ref_null', why: GC },
  { what: 'core/type-rec:39,71,78,94,104,115,125,137,141,143,149,167,174,176,183,185,192,197,205,217', why: GC },
  { what: 'bulk-memory/table_init:2272,2286', why: GC },
  { what: 'memory64/binary:857,877,897,916,935,955,974,993,1011,1029', why: ONE_MEMORY },
  { what: 'memory64/memory:10,11', why: ONE_MEMORY },
  { what: 'memory64/memory64:8,9', why: ONE_MEMORY },
  { what: 'threads/imports:310,314,318,405,409,413', why: ONE_MEMORY },
  { what: 'threads/memory:14,15', why: ONE_MEMORY },
];

/** Why a directive is not run; undefined when it is. */
export function whySkipped(file: string, line: number): string | undefined {
  return SKIPS.find(({ what }) => covers(what, file, line))?.why;
}

function covers(what: string, file: string, line: number): boolean {
  if (what.endsWith('/')) return file.startsWith(what);
  const [name = '', lines] = what.split(':');
  return name === file && (lines === undefined || lines.split(',').includes(String(line)));
}

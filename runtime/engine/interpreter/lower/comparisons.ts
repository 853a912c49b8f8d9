/** Integer comparisons: what each becomes when its operands change places, and when its result is negated. */
const MIRRORED: Readonly<Record<string, string>> = {
  eq: 'eq',
  ne: 'ne',
  lt_s: 'gt_s',
  lt_u: 'gt_u',
  gt_s: 'lt_s',
  gt_u: 'lt_u',
  le_s: 'ge_s',
  le_u: 'ge_u',
  ge_s: 'le_s',
  ge_u: 'le_u',
};

const NEGATED: Readonly<Record<string, string>> = {
  eq: 'ne',
  ne: 'eq',
  lt_s: 'ge_s',
  lt_u: 'ge_u',
  gt_s: 'le_s',
  gt_u: 'le_u',
  le_s: 'gt_s',
  le_u: 'gt_u',
  ge_s: 'lt_s',
  ge_u: 'lt_u',
};

const NAME = /^(i32|i64)\.([a-z_]+)(:i)?$/;

function replaced(operation: string, by: Readonly<Record<string, string>>): string | undefined {
  const [, type = '', name = '', constant = ''] = NAME.exec(operation) ?? [];
  const other = Object.hasOwn(by, name) ? by[name] : undefined;
  return other === undefined ? undefined : `${type}.${other}${constant}`;
}

/** The comparison that is true when this one is false; undefined for what is none. */
export const negated = (operation: string): string | undefined => replaced(operation, NEGATED);

/** The comparison of the same operands in the other order; undefined for what is none. */
export const mirrored = (operation: string): string | undefined => replaced(operation, MIRRORED);

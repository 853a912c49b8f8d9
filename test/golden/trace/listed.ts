import type { Difference } from './compare.ts';

/** A difference that is and should be. What is left out matches everything; null matches what is not there. */
export interface ListedDifference {
  /** Of the case's name. Default: every case. */
  readonly cases?: RegExp;
  readonly field: RegExp;
  readonly kubelet?: RegExp | null;
  readonly ours?: RegExp | null;
  /** It depends on timing and need not show in each run. */
  readonly byChance?: true;
  /** Why it is so. */
  readonly why: string;
}

export interface Judgement {
  /** What no entry of the list allows. */
  readonly unlisted: readonly Difference[];
  /** The entries that were needed. */
  readonly used: readonly ListedDifference[];
}

/** Tells the differences of one case that are listed from those that are not. */
export function judge(
  name: string,
  differences: readonly Difference[],
  listed: readonly ListedDifference[],
): Judgement {
  const matching = differences.map((difference) => listed.filter((entry) => matches(entry, name, difference)));
  return {
    unlisted: differences.filter((_, index) => matching[index]?.length === 0),
    used: [...new Set(matching.flat())],
  };
}

function matches(entry: ListedDifference, name: string, { field, kubelet, ours }: Difference): boolean {
  return (
    (entry.cases?.test(name) ?? true) &&
    entry.field.test(field) &&
    allows(entry.kubelet, kubelet) &&
    allows(entry.ours, ours)
  );
}

function allows(pattern: RegExp | null | undefined, value: string | undefined): boolean {
  if (pattern === undefined) return true;
  return pattern === null ? value === undefined : value !== undefined && pattern.test(value);
}

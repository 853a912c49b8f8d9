import type { FamilySpec, MetricFamily, Sample } from './exposition.ts';

/** Prometheus' default buckets, in seconds. */
export const DEFAULT_BUCKETS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** `count` bounds, each `factor` times the one before. */
export const exponentialBuckets = (first: number, factor: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, index) => first * factor ** index);

/** Values for all labels of an instrument. */
export type LabelsOf<Label extends string> = Readonly<Record<Label, string>>;

/** Something that is counted or measured where it happens, and read by a scrape. */
export interface Instrument {
  readonly spec: FamilySpec;
  family(): MetricFamily;
}

/** Series of one family by the values of their labels. */
class Series<Label extends string, Value> {
  readonly #labels: readonly Label[];
  readonly #byKey = new Map<string, { readonly labelValues: readonly string[]; value: Value }>();

  constructor(labels: readonly Label[]) {
    this.#labels = labels;
  }

  at(labels: LabelsOf<Label>, initial: () => Value): { value: Value } {
    const labelValues = this.#labels.map((label) => labels[label]);
    const key = JSON.stringify(labelValues);
    let series = this.#byKey.get(key);
    if (!series) this.#byKey.set(key, (series = { labelValues, value: initial() }));
    return series;
  }

  deleteWhere(labels: Partial<LabelsOf<Label>>): void {
    for (const [key, { labelValues }] of this.#byKey) {
      const matches = this.#labels.every((label, index) => {
        const wanted = labels[label];
        return wanted === undefined || wanted === labelValues[index];
      });
      if (matches) this.#byKey.delete(key);
    }
  }

  map<T>(each: (labelValues: readonly string[], value: Value) => T): T[] {
    return [...this.#byKey.values()].map(({ labelValues, value }) => each(labelValues, value));
  }
}

/** A family's name, labels and help. A family without labels has its one series from the start. */
interface Definition<Label extends string> {
  readonly name: string;
  readonly labels: readonly Label[];
  readonly help: string;
}

abstract class NumberInstrument<Label extends string> implements Instrument {
  abstract readonly spec: FamilySpec;
  protected readonly series: Series<Label, number>;

  constructor({ labels }: Definition<Label>) {
    this.series = new Series(labels);
    if (labels.length === 0) this.series.at({} as LabelsOf<Label>, () => 0);
  }

  /** Forgets the series that have these values, whatever their other labels are. */
  deleteWhere(labels: Partial<LabelsOf<Label>>): void {
    this.series.deleteWhere(labels);
  }

  family(): MetricFamily {
    return { spec: this.spec, samples: this.series.map((labelValues, value) => ({ labelValues, value })) };
  }
}

/** Only grows. */
export class Counter<Label extends string = never> extends NumberInstrument<Label> {
  readonly spec: FamilySpec;

  constructor(definition: Definition<Label>) {
    super(definition);
    this.spec = { ...definition, type: 'counter' };
  }

  inc(labels: LabelsOf<Label>): void {
    this.series.at(labels, () => 0).value++;
  }
}

/** Goes up and down. */
export class Gauge<Label extends string = never> extends NumberInstrument<Label> {
  readonly spec: FamilySpec;

  constructor(definition: Definition<Label>) {
    super(definition);
    this.spec = { ...definition, type: 'gauge' };
  }

  set(labels: LabelsOf<Label>, value: number): void {
    this.series.at(labels, () => 0).value = value;
  }

  add(labels: LabelsOf<Label>, value: number): void {
    this.series.at(labels, () => 0).value += value;
  }
}

interface Distribution {
  /** Observations in each bucket alone; the last one is beyond all bounds. */
  readonly counts: number[];
  sum: number;
}

/** How values, mostly durations in seconds, are distributed over buckets. */
export class Histogram<Label extends string = never> implements Instrument {
  readonly spec: FamilySpec;
  readonly #bounds: readonly number[];
  readonly #series: Series<Label, Distribution>;

  constructor(definition: Definition<Label>, bounds: readonly number[] = DEFAULT_BUCKETS) {
    const { name, labels, help } = definition;
    this.spec = { name, labels, help, type: 'histogram' };
    this.#bounds = bounds;
    this.#series = new Series(labels);
    if (labels.length === 0) this.#at({} as LabelsOf<Label>);
  }

  observe(labels: LabelsOf<Label>, value: number): void {
    const distribution = this.#at(labels);
    const bucket = this.#bounds.findIndex((bound) => value <= bound);
    const index = bucket === -1 ? this.#bounds.length : bucket;
    distribution.counts[index] = (distribution.counts[index] ?? 0) + 1;
    distribution.sum += value;
  }

  /** As Counter.deleteWhere. */
  deleteWhere(labels: Partial<LabelsOf<Label>>): void {
    this.#series.deleteWhere(labels);
  }

  family(): MetricFamily {
    return { spec: this.spec, samples: this.#series.map((values, value) => this.#samples(values, value)).flat() };
  }

  #at(labels: LabelsOf<Label>): Distribution {
    return this.#series.at(labels, () => ({ counts: Array<number>(this.#bounds.length + 1).fill(0), sum: 0 })).value;
  }

  #samples(labelValues: readonly string[], { counts, sum }: Distribution): Sample[] {
    let count = 0;
    const buckets = counts.map((inBucket, index): Sample => {
      count += inBucket;
      return { labelValues, suffix: '_bucket', le: this.#bounds[index] ?? Infinity, value: count };
    });
    return [...buckets, { labelValues, suffix: '_sum', value: sum }, { labelValues, suffix: '_count', value: count }];
  }
}

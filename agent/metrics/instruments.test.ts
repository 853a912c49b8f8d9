import { expect, test } from 'vitest';
import { parsePrometheusText, valuesOf } from '../../test/support/prometheus-text.ts';
import { renderFamilies } from './exposition.ts';
import { Counter, exponentialBuckets, Gauge, Histogram } from './instruments.ts';

const textOf = (...instruments: { family(): Parameters<typeof renderFamilies>[0][number] }[]): string =>
  renderFamilies(instruments.map((instrument) => instrument.family()));

test('what is counted is told by the values of its labels, whatever stands in them', () => {
  const counter = new Counter({ name: 'calls_total', labels: ['what', 'how'], help: 'Calls\\of "two"\nlines.' });
  counter.inc({ what: 'a"b\\c\nd', how: '' });
  counter.inc({ how: '', what: 'a"b\\c\nd' });
  counter.inc({ what: 'x', how: 'y' });
  const families = parsePrometheusText(textOf(counter));
  expect(families.get('calls_total')).toEqual({
    name: 'calls_total',
    type: 'counter',
    help: 'Calls\\\\of "two"\\nlines.',
    series: [
      { name: 'calls_total', labels: { what: 'a"b\\c\nd', how: '' }, value: 2, timestampMs: undefined },
      { name: 'calls_total', labels: { what: 'x', how: 'y' }, value: 1, timestampMs: undefined },
    ],
  });
});

test('without labels there is a series from the start, with labels the family is left out until there is one', () => {
  const text = textOf(
    new Gauge({ name: 'b', labels: [], help: 'B.' }),
    new Counter({ name: 'a_total', labels: [], help: 'A.' }),
    new Gauge({ name: 'c', labels: ['x'], help: 'C.' }),
  );
  expect(text).toBe('# HELP a_total A.\n# TYPE a_total counter\na_total 0\n# HELP b B.\n# TYPE b gauge\nb 0\n');
});

test('a gauge is set and added to', () => {
  const gauge = new Gauge({ name: 'g', labels: ['x'], help: 'G.' });
  gauge.set({ x: '1' }, 5);
  gauge.add({ x: '1' }, -7);
  expect(valuesOf(parsePrometheusText(textOf(gauge)), 'g')).toEqual([-2]);
});

test('buckets of a histogram count all that is not more than their bound', () => {
  const histogram = new Histogram({ name: 'h', labels: ['x'], help: 'H.' }, [0.1, 1]);
  for (const value of [0.1, 0.5, 7]) histogram.observe({ x: 'y' }, value);
  expect(textOf(histogram)).toBe(
    [
      '# HELP h H.',
      '# TYPE h histogram',
      'h_bucket{x="y",le="0.1"} 1',
      'h_bucket{x="y",le="1"} 2',
      'h_bucket{x="y",le="+Inf"} 3',
      'h_sum{x="y"} 7.6',
      'h_count{x="y"} 3',
      '',
    ].join('\n'),
  );
  expect(exponentialBuckets(1, 2, 5)).toEqual([1, 2, 4, 8, 16]);
});

test('series are forgotten by some of their labels', () => {
  const counter = new Counter({ name: 'c_total', labels: ['pod', 'result'], help: 'C.' });
  for (const pod of ['a', 'b']) for (const result of ['good', 'bad']) counter.inc({ pod, result });
  counter.deleteWhere({ pod: 'a' });
  expect(counter.family().samples.map(({ labelValues }) => labelValues)).toEqual([
    ['b', 'good'],
    ['b', 'bad'],
  ]);
});

test('labels are sorted, and a time of measurement is told in milliseconds', () => {
  const spec = { name: 'm', type: 'gauge' as const, labels: ['pod', 'container'], help: 'M.' };
  const samples = [{ labelValues: ['p', 'c'], value: 1.5, timestampMs: 1234.4 }];
  expect(renderFamilies([{ spec, samples }])).toContain('m{container="c",pod="p"} 1.5 1234\n');
});

/**
 * Prometheus' text format, version 0.0.4: what the kubelet's endpoints answer with too
 * (github.com/prometheus/docs, instrumenting/exposition_formats).
 */

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** What is known of a family of series before there is any. */
export interface FamilySpec {
  readonly name: string;
  readonly type: MetricType;
  /** Names of the labels, in the order of `Sample.labelValues`. */
  readonly labels: readonly string[];
  /** One sentence for people. */
  readonly help: string;
}

export interface Sample {
  readonly labelValues: readonly string[];
  readonly value: number;
  /** Milliseconds since the epoch, where the value is not of the moment of the scrape. */
  readonly timestampMs?: number;
  /** Of histograms: '_bucket', '_sum' or '_count'. */
  readonly suffix?: string;
  /** Of a histogram's bucket: its upper bound. */
  readonly le?: number;
}

export interface MetricFamily {
  readonly spec: FamilySpec;
  readonly samples: readonly Sample[];
}

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The text of families, sorted by name; those without a series are left out, as client_golang does it. */
export function renderFamilies(families: readonly MetricFamily[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1))
    .map(renderFamily)
    .join('');
}

function renderFamily({ spec, samples }: MetricFamily): string {
  const { name, type, labels, help } = spec;
  // Sorted by name, as client_golang writes them.
  const order = labels.map((label, index) => ({ label, index })).sort((a, b) => (a.label < b.label ? -1 : 1));
  let text = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
  for (const { suffix = '', labelValues, le, value, timestampMs } of samples) {
    const pairs = order.map(({ label, index }) => `${label}="${escapeLabel(labelValues[index] ?? '')}"`);
    if (le !== undefined) pairs.push(`le="${number(le)}"`);
    const braces = pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
    const time = timestampMs === undefined ? '' : ` ${Math.round(timestampMs)}`;
    text += `${name}${suffix}${braces} ${number(value)}${time}\n`;
  }
  return text;
}

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');

function number(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

/** One series of Prometheus' text format. */
export interface Series {
  /** Of histograms with '_bucket', '_sum' or '_count'. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  readonly timestampMs: number | undefined;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly series: readonly Series[];
}

/**
 * Reads Prometheus' text format (version 0.0.4), strictly: every series must be beneath its own family's HELP and TYPE.
 * @throws Error that shows the line which does not parse
 */
export function parsePrometheusText(text: string): Map<string, Family> {
  const families = new Map<string, OpenFamily>();
  let current: OpenFamily | undefined;
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('the text does not end with a line feed');
  for (const [index, line] of lines.entries()) {
    if (line.startsWith('# HELP ')) {
      current = parseHead(line, lines[index + 1] ?? '');
      if (families.has(current.name)) throw new Error(`a second time: ${line}`);
      families.set(current.name, current);
    } else if (!line.startsWith('# TYPE ')) {
      current?.series.push(parseSeriesOf(current, line));
    }
  }
  return families;
}

type OpenFamily = Family & { readonly series: Series[] };

function parseHead(help: string, typeLine: string): OpenFamily {
  const [, name, text] = /^# HELP (\S+) (.*)$/.exec(help) ?? [];
  const [, typeName, type] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(typeLine) ?? [];
  if (name === undefined || text === undefined || typeName !== name || type === undefined) {
    throw new Error(`no head of a family: ${help}, ${typeLine}`);
  }
  return { name, type, help: text, series: [] };
}

function parseSeriesOf({ name, type }: Family, line: string): Series {
  const series = parseSeries(line);
  const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
  if (suffixes.some((suffix) => series.name === name + suffix)) return series;
  throw new Error(`not of the family above: ${line}`);
}

function parseSeries(line: string): Series {
  const [, name, , labels = '', value, timestamp] =
    /^([a-zA-Z_:][\w:]*)(\{(.*)\})? (NaN|[+-]Inf|[-+.\de]+)( -?\d+)?$/.exec(line) ?? [];
  if (name === undefined || value === undefined) throw new Error(`no series: ${line}`);
  return {
    name,
    labels: parseLabels(labels, line),
    value: Number(value.replace('Inf', 'Infinity')),
    timestampMs: timestamp === undefined ? undefined : Number(timestamp),
  };
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let rest = text;
  while (rest !== '') {
    const [whole, name, value] = /^([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\n"])*)"(?:,|$)/.exec(rest) ?? [];
    if (whole === undefined || name === undefined || value === undefined) throw new Error(`labels: ${line}`);
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
    rest = rest.slice(whole.length);
  }
  return labels;
}

/** The values of a family's series whose labels hold these. */
export function valuesOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number[] {
  return (families.get(name)?.series ?? [])
    .filter((series) => Object.entries(labels).every(([label, value]) => series.labels[label] === value))
    .map(({ value }) => value);
}

import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { expect, test } from 'vitest';
import { metricsByPath } from './catalogue.ts';
import type { FamilySpec } from './exposition.ts';

const REFERENCE = fileURLToPath(new URL('../../docs/reference/metrics.md', import.meta.url));

const INTRODUCTION = `# Metrics

What the node's port (10250) serves in Prometheus' text format, path by path. Names, types and labels are the kubelet's
and cAdvisor's where the same thing is meant; what only wasmlet has begins with \`wasmlet_\`, and Node's own with \`nodejs_\`.
How to scrape them, and with which rights, is in [observability](../observability.md).

This page is made from \`agent/metrics/\`: \`npm run test:unit -- agent/metrics/reference -u\` writes it anew, and the same
test without \`-u\` fails when the two differ.
`;

/** What the paths are for. */
const PURPOSES: Readonly<Record<string, string>> = {
  '/metrics/resource':
    'CPU and memory, for metrics-server (`kubectl top`) and autoscalers. Each value has the time at which it was measured.',
  '/metrics/cadvisor':
    'Containers in more detail, for dashboards that were made for cAdvisor. A container has `container`, `pod` and `namespace`; of a pod as a whole `container` is empty; the node is `id="/"`.',
  '/metrics': "The agent's own work and process.",
  '/metrics/probes': 'Liveness, readiness and startup probes. Series go with their pod.',
};

const code = (text: string): string => `\`${text}\``;

const row = ({ name, type, labels, help }: FamilySpec): string =>
  `| ${[code(name), type, labels.toSorted().map(code).join(', '), help.replaceAll('<', '\\<')].join(' | ')} |`;

function section([path, families]: readonly [string, readonly FamilySpec[]]): string {
  const rows = families.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(row);
  const table = ['| name | type | labels | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
  return `\n## ${path}\n\n${PURPOSES[path] ?? ''}\n\n${table}\n`;
}

test('docs/reference/metrics.md lists every family as the code has it', async () => {
  const page = INTRODUCTION + [...metricsByPath()].map(section).join('');
  const style = await resolveConfig(REFERENCE);
  await expect(await format(page, { ...style, parser: 'markdown' })).toMatchFileSnapshot(REFERENCE);
});

test('names, labels and types are as Prometheus wants them, and everything says what it is', () => {
  for (const [path, families] of metricsByPath()) {
    expect(PURPOSES[path]).toBeDefined();
    const names = families.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, type, labels, help } of families) {
      expect(name).toMatch(/^[a-z]\w*$/);
      for (const label of labels) expect(label).toMatch(/^[a-z_]+$/);
      expect(help).toMatch(/^\S.*\.$/);
      // kubelet_evictions has its name from before the rule.
      if (type === 'counter') expect(name).toMatch(/_total$|^kubelet_evictions$/);
    }
  }
});

import { vi } from 'vitest';
import type { Pod } from '../../agent/kube/types.ts';
import { loadAuthority } from '../cluster/certificates.ts';
import type { TestCluster } from '../support/fixture.ts';
import { createNamespace } from '../support/fixture.ts';
import { buildGuest } from '../support/guests.ts';
import { askNode } from '../support/node-port.ts';
import { PATIENCE } from '../support/patience.ts';
import { parsePrometheusText } from '../support/prometheus-text.ts';
import { pushImage } from '../support/push.ts';
import { readFile } from 'node:fs/promises';

/** What a node's statistics are made of while one pod runs: no values, for no two nodes have the same. */
export interface StatisticsForm {
  /** Families of /metrics/resource: 'NAME{LABELS} TYPE', with '@' where values have the time of their measurement. */
  readonly resource: readonly string[];
  /** Paths of /stats/summary. */
  readonly summary: readonly string[];
  /** Of /stats/summary?only_cpu_and_memory=true. */
  readonly cpuAndMemory: readonly string[];
}

export interface AskedNode {
  readonly nodeName: string;
  readonly port: number;
}

/** Runs a pod on a node and asks until both endpoints tell of it. */
export async function statisticsOf(node: AskedNode, cluster: TestCluster, spec: object): Promise<StatisticsForm> {
  const api = await cluster.api();
  await using namespace = await createNamespace('statistics');
  const target = { registry: cluster.registry, repository: 'golden/statistics', tag: '1' };
  const { reference: image } = await pushImage({ ...target, wasm: await buildGuest('ticker') });
  const containers = [{ name: 'c', image, args: ['100', '1000000'] }];
  await api.request<Pod>('POST', `${namespace.path}/pods`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { ...spec, nodeName: node.nodeName, containers, volumes: [{ name: 'scratch', emptyDir: {} }] },
  });
  await api.waitFor<Pod>(`${namespace.path}/pods`, ({ status }) => status?.phase === 'Running', {
    fieldSelector: 'metadata.name=p',
    timeoutMs: PATIENCE.timeout,
  });
  const pair = await administrator(cluster);
  // What a busy disk has not told by then comes with a later answer.
  const ask = async (path: string, ...whole: string[]): Promise<string> =>
    await vi.waitUntil(async () => {
      const { body } = await askNode(node.port, path, { pair });
      return whole.every((part) => body.includes(part)) ? body : '';
    }, PATIENCE);
  return {
    resource: familiesIn(await ask('/metrics/resource', 'pod_cpu_usage_seconds_total')),
    summary: pathsIn(JSON.parse(await ask('/stats/summary', '"ephemeral-storage"', '"imageFs"', '"rootfs"'))),
    cpuAndMemory: pathsIn(JSON.parse(await ask('/stats/summary?only_cpu_and_memory=true', '"podRef"'))),
  };
}

async function administrator({ facts }: TestCluster) {
  const { caFile, caKeyFile = '' } = facts;
  const [certificate, key] = await Promise.all([readFile(caFile, 'utf8'), readFile(caKeyFile, 'utf8')]);
  return await (await loadAuthority({ certificate, key })).client('administrator', ['system:masters']);
}

function familiesIn(text: string): string[] {
  return [...parsePrometheusText(text).values()].map(({ name, type, series }) => {
    const labels = Object.keys(series[0]?.labels ?? {}).join(',');
    return `${name}{${labels}} ${type}${series[0]?.timestampMs === undefined ? '' : ' @'}`;
  });
}

/** 'node.cpu.time', 'pods[].podRef.name': the paths of all values but the rate of CPU, which needs two looks. */
function pathsIn(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return unique(value.flatMap((item) => pathsIn(item, `${path}[]`)));
  if (typeof value !== 'object' || value === null) return path.endsWith('.usageNanoCores') ? [] : [path];
  const prefix = path === '' ? '' : `${path}.`;
  return unique(Object.entries(value).flatMap(([key, member]) => pathsIn(member, prefix + key)));
}

const unique = (paths: readonly string[]): string[] => [...new Set(paths)].sort();

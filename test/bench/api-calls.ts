import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Benchmark } from './benchmark.ts';
import type { Stage } from './stage.ts';

const PODS = 20;
/** Events are sent apart from the pod's own work. */
const SETTLE_MS = 3000;

interface AuditEvent {
  readonly stage: string;
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string; readonly namespace?: string };
}

/** The limit is what no node can do without: the token, Running, ended, and the last DELETE. */
const FLOOR = { value: 4, means: 'token, Running, ended, gone' };

/** Counts what the API server saw of the node about the benchmark's namespace while pods came, ended and went. */
export const apiCalls: Benchmark = {
  name: 'apiCallsPerPod',
  figures: ['apiCallsPerPod'],
  async run(open, report) {
    const stage = await open();
    const image = await stage.presentImage('exit', ['0']);
    await delay(SETTLE_MS);
    const before = await nodeRequests(stage);
    await using pods = stage.watchPods();
    const names = Array.from({ length: PODS }, (_, index) => `calls-${index}`);
    for (const name of names) {
      await stage.create(stage.unboundPod({ name, image, args: ['0'] }));
      await pods.until(name, ({ status }) => status?.phase === 'Succeeded');
      await stage.delete(name, pods);
    }
    await delay(SETTLE_MS);
    const counts = await nodeRequests(stage);
    for (const [request, count] of before) counts.set(request, (counts.get(request) ?? 0) - count);
    const each = [...counts].filter(([, count]) => count > 0).map(([request, count]) => `${request} ${count / PODS}`);
    report(`per pod: ${each.join(', ')}`);
    const sum = [...counts.values()].reduce((all, count) => all + count, 0);
    return [{ name: 'apiCallsPerPod', value: sum / PODS, limit: FLOOR }];
  },
};

async function nodeRequests({ cluster, agent, namespace }: Stage): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const line of (await readFile(cluster.facts.auditLog ?? '', 'utf8')).split('\n')) {
    // The line that is being written now may be cut.
    if (!line.endsWith('}')) continue;
    const { stage, verb, user, objectRef } = JSON.parse(line) as AuditEvent;
    const isOurs = user.username === `system:node:${agent.nodeName}` && objectRef?.namespace === namespace;
    if (stage !== 'ResponseComplete' || !isOurs) continue;
    const { resource = '', subresource } = objectRef;
    const request = `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}`;
    counts.set(request, (counts.get(request) ?? 0) + 1);
  }
  return counts;
}

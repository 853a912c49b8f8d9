import { setTimeout as delay } from 'node:timers/promises';
import { nodeRequests } from '../support/audit-log.ts';
import type { Benchmark } from './benchmark.ts';

const PODS = 20;
/** Events are sent apart from the pod's own work. */
const SETTLE_MS = 3000;

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
    const requests = () => nodeRequests(stage.cluster.facts.auditLog ?? '', stage.agent.nodeName, stage.namespace);
    const before = await requests();
    await using pods = stage.watchPods();
    const names = Array.from({ length: PODS }, (_, index) => `calls-${index}`);
    for (const name of names) {
      await stage.create(stage.unboundPod({ name, image, args: ['0'] }));
      await pods.until(name, ({ status }) => status?.phase === 'Succeeded');
      await stage.delete(name, pods);
    }
    await delay(SETTLE_MS);
    const counts = await requests();
    for (const [request, count] of before) counts.set(request, (counts.get(request) ?? 0) - count);
    const each = [...counts].filter(([, count]) => count > 0).map(([request, count]) => `${request} ${count / PODS}`);
    report(`per pod: ${each.join(', ')}`);
    const sum = [...counts.values()].reduce((all, count) => all + count, 0);
    return [{ name: 'apiCallsPerPod', value: sum / PODS, limit: FLOOR }];
  },
};

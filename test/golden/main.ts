/**
 * `npm run golden [-- --record] [NAME…]`: plays cases, all of them without names. With --record on a kubelet over our
 * runtime, whose answers are kept beside the cases; without, on our agent, and what differs is told. `--show` prints the
 * traces instead.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import pLimit from 'p-limit';
import { format, resolveConfig } from 'prettier';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { startCluster, type Cluster } from '../cluster/cluster.ts';
import { startRegistry } from '../cluster/registry.ts';
import { createApi } from '../support/api.ts';
import { reportTo } from '../support/progress.ts';
import { caseNames, CASES } from './case.ts';
import { DIFFERENCES } from './differences.ts';
import { startAgentNode, startKubeletNode } from './nodes.ts';
import { playCase } from './play.ts';
import { openStage, type Stage } from './stage.ts';
import { compareTraces } from './trace/compare.ts';
import { judge } from './trace/listed.ts';
import type { Trace } from './trace/trace.ts';

/** Cases that are played at a time: most of their time they wait. */
const PARALLEL = 8;
const INTERRUPTED = 130;

const report = reportTo(process.stderr);

type Treat = (name: string, trace: Trace, recording: string) => Promise<void>;

const record: Treat = async (name, trace, recording) => {
  const text = await format(JSON.stringify(trace), { ...(await resolveConfig(recording)), parser: 'json' });
  await writeFile(recording, text);
  report(`${name}: recorded`);
};

const show: Treat = (name, trace) => {
  process.stdout.write(`${name}: ${JSON.stringify(trace, undefined, 2)}\n`);
  return Promise.resolve();
};

const compare: Treat = async (name, trace, recording) => {
  const recorded = JSON.parse(await readFile(recording, 'utf8')) as Trace;
  const { unlisted } = judge(name, compareTraces(recorded, trace), DIFFERENCES);
  report(`${name}: ${unlisted.length === 0 ? 'as the kubelet' : `${unlisted.length} differences`}`);
  for (const { field, kubelet, ours } of unlisted) {
    process.stdout.write(
      `${name}: ${field}\n  kubelet: ${kubelet ?? '(nothing)'}\n  ours:    ${ours ?? '(nothing)'}\n`,
    );
  }
  if (unlisted.length > 0) process.exitCode = 1;
};

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { record: { type: 'boolean' }, show: { type: 'boolean' } },
  });
  const names = await chosen(positionals);
  await using stack = new AsyncDisposableStack();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void stack.disposeAsync().finally(() => process.exit(INTERRUPTED)));
  }
  const cluster = stack.use(await startCluster({ auditLog: true, report }));
  const stage = await stageOn(stack, cluster, values.record ?? false);
  const treat = values.show ? show : values.record ? record : compare;
  const limit = pLimit(PARALLEL);
  await Promise.all(
    names.map((name) =>
      limit(async () => {
        try {
          const { played, trace } = await playCase(stage, name);
          await treat(name, trace, played.recording);
        } catch (error) {
          report(`${name} failed: ${messageOf(error)}`);
          process.exitCode = 1;
        }
      }),
    ),
  );
}

async function chosen(patterns: readonly string[]): Promise<string[]> {
  const all = await caseNames();
  const unknown = patterns.find((pattern) => !all.some((name) => name.startsWith(pattern)));
  if (unknown !== undefined) throw new WasmletError('InvalidConfig', `no case in ${CASES} is called ${unknown}`);
  return patterns.length === 0 ? all : all.filter((name) => patterns.some((pattern) => name.startsWith(pattern)));
}

async function stageOn(stack: AsyncDisposableStack, cluster: Cluster, recording: boolean): Promise<Stage> {
  const registry = stack.use(await startRegistry({ report }));
  const api = await createApi(cluster.kubeconfig);
  report(`waiting for the ${recording ? 'kubelet' : 'agent'}'s node to be Ready`);
  const node = stack.use(await (recording ? startKubeletNode : startAgentNode)(cluster, api));
  return stack.use(await openStage({ api, auditLog: cluster.facts.auditLog ?? '', registry: registry.address, node }));
}

try {
  await main();
} catch (error) {
  process.stderr.write(`golden: ${messageOf(error)}\n`);
  process.exitCode = 1;
}

/**
 * `npm run bench [NAME…] [-- --json]`: measures what the project promises. Without names, all; a name is a benchmark's
 * or the beginning of one of its figures'. Progress goes to stderr, the result to stdout.
 */
import { parseArgs } from 'node:util';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { reportTo } from '../support/progress.ts';
import { abuse, abuseInterpreter, abuseShared } from './abuse.ts';
import { apiCalls } from './api-calls.ts';
import { applyToRunning } from './apply-to-running.ts';
import type { Benchmark } from './benchmark.ts';
import { compute } from './compute.ts';
import { containerStart } from './container-start.ts';
import { density } from './density.ts';
import { deletion } from './delete.ts';
import type { Figure } from './figures.ts';
import { idle } from './idle.ts';
import { interpreterSpeed } from './interpreter-speed.ts';
import { interpreterStart } from './interpreter-start.ts';
import { logsRead } from './logs-read.ts';
import { logsWrite } from './logs-write.ts';
import { memory } from './memory.ts';
import { preemption } from './preemption.ts';
import { sharedCpu } from './shared-cpu.ts';
import { sharedMemory } from './shared-memory.ts';
import { sharedStart } from './shared-start.ts';
import { Stage } from './stage.ts';
import { startLatency } from './start-latency.ts';
import { starts } from './starts.ts';
import { toJson, toTable } from './table.ts';
import { wasiCalls } from './wasi-calls.ts';

const ALL: readonly Benchmark[] = [
  containerStart,
  startLatency,
  sharedStart,
  sharedMemory,
  sharedCpu,
  preemption,
  wasiCalls,
  compute,
  interpreterSpeed,
  interpreterStart,
  logsWrite,
  applyToRunning,
  deletion,
  starts,
  memory,
  idle,
  apiCalls,
  logsRead,
  density,
  abuse,
  abuseShared,
  abuseInterpreter,
];

/** Exit code of a run that a signal ended. */
const INTERRUPTED = 130;

const report = reportTo(process.stderr);

function chosen(names: readonly string[]): readonly Benchmark[] {
  if (names.length === 0) return ALL;
  const found = names.map((name) => {
    const matching = ALL.filter((benchmark) =>
      [benchmark.name, ...benchmark.figures].some((one) => one.startsWith(name)),
    );
    if (matching.length === 0) {
      const names = ALL.map((one) => one.name).join(', ');
      throw new WasmletError('InvalidConfig', `no benchmark ${name}; there are ${names}`);
    }
    return matching;
  });
  return ALL.filter((benchmark) => found.flat().includes(benchmark));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean' } } });
  const benchmarks = chosen(positionals);
  await using stack = new AsyncDisposableStack();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void stack.disposeAsync().finally(() => process.exit(INTERRUPTED)));
  }
  let stage: Promise<Stage> | undefined;
  const open = () => (stage ??= Stage.open(report).then((opened) => stack.use(opened)));
  const figures: Figure[] = [];
  for (const benchmark of benchmarks) {
    report(benchmark.name);
    try {
      figures.push(...(await benchmark.run(open, report)));
    } catch (error) {
      // The others are worth having all the same.
      report(`${benchmark.name} failed: ${messageOf(error)}`);
      if (stage) report(`the agent's last lines:\n${await (await stage).agentLog()}`);
      process.exitCode = 1;
    }
  }
  process.stdout.write(
    values.json === true ? `${JSON.stringify(toJson(figures), null, 2)}\n` : `${toTable(figures)}\n`,
  );
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${messageOf(error)}\n`);
  process.exitCode = 1;
}

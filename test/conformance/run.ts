/** The suite from nothing to its results. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildStandIns } from '../workloads/standins/build.ts';
import { Progress } from './progress.ts';
import type { SpecResult } from './results.ts';
import { combineRuns } from './results.ts';
import type { Stage } from './stage.ts';
import { openStage } from './stage.ts';
import { runSuite } from './suite.ts';

export interface RunOptions {
  /** Regular expressions over a spec's full text: one must match (if there is any), none may match. */
  readonly focus: readonly string[];
  readonly skip: readonly string[];
  readonly nodes: number;
  /** Specs at a time. */
  readonly procs: number;
  /** One after the other, each on a cluster of its own. */
  readonly runs: number;
  /** Go durations. */
  readonly specTimeout: string;
  readonly timeout: string;
  readonly plainWasi: boolean;
  readonly rename: boolean;
  /** Folder for the agents' logs and ginkgo's output. */
  readonly keepLogs?: string | undefined;
}

export interface RunContext {
  readonly report: (line: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Runs the chosen specs, as often as asked for.
 * @returns one result for each spec that ran: passed only if it passed in every run
 * @throws WasmletError when the cluster, the stand-ins or the suite cannot be brought up, or by the signal
 */
export async function runConformance(options: RunOptions, context: RunContext): Promise<SpecResult[]> {
  const runs: SpecResult[][] = [];
  for (let run = 1; run <= options.runs; run += 1) {
    if (options.runs > 1) context.report(`run ${run} of ${options.runs}`);
    runs.push(await runOnce(options, context));
  }
  return combineRuns(runs);
}

async function runOnce(options: RunOptions, context: RunContext): Promise<SpecResult[]> {
  await using stage = await openStage({
    nodes: options.nodes,
    rename: options.rename,
    agentConfig: options.plainWasi ? { posixExtension: false } : {},
    standIns: () => buildStandIns(options.plainWasi ? 'plain' : 'extended'),
    ...context,
  });
  const specs: SpecResult[] = [];
  const progress = new Progress(context.report);
  try {
    const missing = await runSuite({
      ...options,
      ...stage,
      ...(context.signal ? { signal: context.signal } : {}),
      onResult: (line) => {
        progress.add(line);
        if ('spec' in line) specs.push(line.spec);
      },
    });
    if (missing > 0) context.report(`the run ended early: ${missing} specs have no result`);
    return specs;
  } finally {
    if (options.keepLogs !== undefined) await keepLogs(stage, options.keepLogs);
  }
}

async function keepLogs(stage: Stage, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await copyFile(join(stage.folder, 'ginkgo.log'), join(folder, 'ginkgo.log'));
  for (const agent of stage.agents) await copyFile(agent.logFile, join(folder, `${agent.nodeName}.log`));
}

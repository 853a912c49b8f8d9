/** One run of the suite, from nothing to its results, on this machine or on the one that this process stands in. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { buildStandIns } from '../workloads/standins/build.ts';
import { Progress } from './progress.ts';
import type { SpecResult } from './results.ts';
import type { RunContext, RunOptions } from './run.ts';
import type { PodNetwork, Stage } from './stage.ts';
import { openStage } from './stage.ts';
import { runSuite } from './suite.ts';

/** The programs for the suite's images; built where the cache has none. */
export const standInsFor = ({ plainWasi }: RunOptions) => buildStandIns(plainWasi ? 'plain' : 'extended');

/**
 * Brings a cluster up, runs the chosen specs, and takes it down again.
 * @param podNetwork of the agents' pods; undefined: pods share the node's address
 * @returns the specs that have a result
 * @throws WasmletError when the cluster, the stand-ins or the suite cannot be brought up, or by the signal
 */
export async function runOnce(
  options: RunOptions,
  context: RunContext,
  podNetwork: PodNetwork | undefined,
): Promise<SpecResult[]> {
  await using stage = await openStage({
    nodes: options.nodes,
    rename: options.rename,
    agentConfig: { ...podNetwork, ...(options.plainWasi ? { posixExtension: false } : {}) },
    standIns: () => standInsFor(options),
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

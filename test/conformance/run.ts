/** The suite as often as asked for, each time on a cluster and, where it can be, on a machine of its own. */
import { whyNoPodNetwork } from '../../runtime/test-network.ts';
import { runOnMachine } from './machine.ts';
import { runOnce } from './once.ts';
import type { SpecResult } from './results.ts';
import { combineRuns } from './results.ts';

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
  const why = await whyNoPodNetwork();
  if (why !== undefined) context.report(`pods share the node's address, and specs meet on its ports: ${why}`);
  const runs: SpecResult[][] = [];
  for (let run = 1; run <= options.runs; run += 1) {
    if (options.runs > 1) context.report(`run ${run} of ${options.runs}`);
    runs.push(await (why === undefined ? runOnMachine(options, context) : runOnce(options, context, undefined)));
  }
  return combineRuns(runs);
}

/** One run of the suite: ginkgo's command over several processes, and the results as they come. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WasmletError } from '../../base/errors.ts';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import type { ResultLine } from './results.ts';
import { parseResultLine } from './results.ts';

export interface SuiteOptions {
  /** Paths of the binaries. */
  readonly tools: { readonly conformance: string; readonly ginkgo: string; readonly kubectl: string };
  /** An administrator's credentials for the cluster. */
  readonly kubeconfig: string;
  /** Environment of the suite, with where its images are (images.ts). */
  readonly env: NodeJS.ProcessEnv;
  /** For its log and results; must exist. */
  readonly folder: string;
  /** Regular expressions over a spec's full text: one must match, none may match. */
  readonly focus: readonly string[];
  readonly skip: readonly string[];
  /** Specs at a time. */
  readonly procs: number;
  /** Go durations: '5m'. */
  readonly specTimeout: string;
  readonly timeout: string;
  readonly onResult: (line: ResultLine) => void;
  readonly signal?: AbortSignal;
}

const POLL_MS = 200;

/**
 * Runs the chosen specs to their end.
 * @returns how many of them have no result, because the time was up or ginkgo ended early
 * @throws WasmletError Internal, with the end of ginkgo's output, when none could be run; Cancelled by the signal
 */
export async function runSuite(options: SuiteOptions): Promise<number> {
  const resultsFile = join(options.folder, 'results.ndjson');
  await using ginkgo = await startGinkgo(options, resultsFile);
  const results = new ResultsFile(resultsFile, options.onResult);
  let how: string | undefined;
  void ginkgo.ended.then((text) => (how = text));
  while (how === undefined && options.signal?.aborted !== true) {
    await delay(POLL_MS);
    await results.read();
  }
  await results.read();
  if (how === undefined) throw new WasmletError('Cancelled', 'the run was given up');
  if (how !== 'exit code 0' && results.ended === 0) {
    throw new WasmletError('Internal', `ginkgo ended before any spec had (${how}):\n${await ginkgo.tail()}`);
  }
  return results.missing;
}

/** ginkgo and the processes of the suite, in a process group of their own that ends with the object. */
async function startGinkgo(options: SuiteOptions, resultsFile: string): Promise<ServerProcess> {
  const server = await startServer({
    name: 'ginkgo',
    command: options.tools.ginkgo,
    args: ginkgoArgs(options, resultsFile),
    env: { ...options.env, TMPDIR: options.folder, HOME: options.folder },
    logFile: join(options.folder, 'ginkgo.log'),
  });
  return {
    ...server,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      try {
        process.kill(-server.pid, 'SIGKILL');
      } catch {
        // ESRCH: ginkgo has ended all of its processes itself.
      }
    },
  };
}

function ginkgoArgs(options: SuiteOptions, resultsFile: string): string[] {
  return [
    'run',
    `--procs=${options.procs}`,
    `--timeout=${options.timeout}`,
    '--no-color',
    '--succinct',
    // What a spec writes is in its result; standard output is nobody's.
    '--output-interceptor-mode=none',
    ...options.focus.map((pattern) => `--focus=${pattern}`),
    ...options.skip.map((pattern) => `--skip=${pattern}`),
    options.tools.conformance,
    '--',
    '--provider=local',
    `--kubeconfig=${options.kubeconfig}`,
    `--kubectl-path=${options.tools.kubectl}`,
    `--e2e-output-dir=${options.folder}`,
    `--spec-timeout=${options.specTimeout}`,
    `--results=${resultsFile}`,
  ];
}

/** A file that grows by whole lines; each is handed on once. */
class ResultsFile {
  readonly #path: string;
  readonly #onResult: (line: ResultLine) => void;
  #offset = 0;
  #total = 0;
  #ended = 0;

  constructor(path: string, onResult: (line: ResultLine) => void) {
    this.#path = path;
    this.#onResult = onResult;
  }

  /** Specs that have a result. */
  get ended(): number {
    return this.#ended;
  }

  /** Specs that were to run and have none. */
  get missing(): number {
    return Math.max(0, this.#total - this.#ended);
  }

  async read(): Promise<void> {
    // Not there before the first line is.
    const content = await readFile(this.#path).catch(() => Buffer.alloc(0));
    const end = content.lastIndexOf('\n') + 1;
    const lines = content.subarray(this.#offset, end).toString('utf8').split('\n').slice(0, -1);
    this.#offset = Math.max(end, this.#offset);
    for (const text of lines) {
      const line = parseResultLine(text);
      if ('total' in line) this.#total = line.total;
      else this.#ended += 1;
      this.#onResult(line);
    }
  }
}

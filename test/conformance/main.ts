/**
 * `npm run conformance`: Kubernetes' node conformance suite against wasmlet, on a cluster of its own. Progress goes to
 * stderr, the table (or the JSON, with `--json` alone) to stdout. Exit code 0 when every spec that is known to pass
 * passed, 1 when one fell back, 2 when the run itself failed, 130 by Ctrl-C.
 */
import { writeFile } from 'node:fs/promises';
import { messageOf } from '../../base/errors.ts';
import { reportTo } from '../support/progress.ts';
import type { CommandLine } from './options.ts';
import { parseCommandLine, USAGE } from './options.ts';
import { fallenBack, readPassing, updatePassing, writePassing } from './passing.ts';
import { toJson, toJUnit, toTable } from './report.ts';
import { runConformance } from './run.ts';

const FELL_BACK = 1;
const RUN_FAILED = 2;
const INTERRUPTED = 130;

const begun = performance.now();
const report = reportTo(process.stderr);

async function main(options: CommandLine, signal: AbortSignal): Promise<number> {
  const specs = await runConformance(options, { report, signal });
  const context = { ...options, seconds: (performance.now() - begun) / 1000 };
  const json = `${JSON.stringify(toJson(specs, context), null, 2)}\n`;
  const table = `${toTable(specs, context)}\n`;
  if (options.junit !== undefined) await writeFile(options.junit, toJUnit(specs, context));
  if (options.json === '-') {
    process.stderr.write(table);
    process.stdout.write(json);
  } else {
    if (options.json !== undefined) await writeFile(options.json, json);
    process.stdout.write(table);
  }
  const known = await readPassing();
  if (options.updatePassing) {
    await writePassing(updatePassing(known, specs, options.plainWasi));
    return 0;
  }
  const fallen = fallenBack(known, specs, options.plainWasi);
  for (const { name, reason = '' } of fallen) report(`known to pass, and failed: ${name}: ${reason}`);
  return fallen.length === 0 ? 0 : FELL_BACK;
}

const ended = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => ended.abort());
try {
  const options = parseCommandLine(process.argv.slice(2));
  if (options.help) process.stdout.write(`${USAGE}\n`);
  else process.exitCode = await main(options, ended.signal);
} catch (error) {
  process.stderr.write(`conformance: ${messageOf(error)}\n`);
  process.exitCode = ended.signal.aborted ? INTERRUPTED : RUN_FAILED;
}

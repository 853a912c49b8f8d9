import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import { cached, keyOf } from './cache.ts';
import { runOrThrow } from './command.ts';
import { timed } from './progress.ts';

/** The Prometheus operator, and Go's hash of its files: another content by this name is refused. */
const MODULE = 'github.com/prometheus-operator/prometheus-operator@v0.88.0';
const SUM = 'h1:3T/dCQdk7CUVRqVfwRHoC5g66fC/ML6XQQLtQVL6Q5o=';
const FILE = 'monitoring.coreos.com_servicemonitors.yaml';
const TIMEOUT_MS = 10 * 60_000;

/**
 * Path of the operator's own definition of the kind ServiceMonitor, as its module has it.
 * @throws WasmletError FailedPrecondition when the module is not the one that was pinned
 */
export async function serviceMonitorDefinition(): Promise<string> {
  const folder = await cached({
    path: `tools/servicemonitor-${keyOf([MODULE, SUM])}`,
    build: (to) => timed(`downloading ${MODULE}`, '10 s', () => download(to)),
  });
  return join(folder, FILE);
}

async function download(to: string): Promise<void> {
  // Where it runs there is no Go module of ours, whose requirements would count.
  const args = ['mod', 'download', '-json', MODULE];
  const { stdout } = await runOrThrow('go', args, { cwd: to, timeoutMs: TIMEOUT_MS });
  const { Dir: module, Sum: sum } = JSON.parse(stdout) as Readonly<Record<'Dir' | 'Sum', string>>;
  if (sum !== SUM) throw new WasmletError('FailedPrecondition', `${MODULE}: its hash is ${sum}, expected ${SUM}`);
  await copyFile(join(module, 'example/prometheus-operator-crd', FILE), join(to, FILE));
}

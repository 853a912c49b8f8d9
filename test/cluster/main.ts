/**
 * `npm run cluster`: a real Kubernetes control plane and a registry on loopback, until Ctrl-C, which leaves no process
 * and no file behind. `--audit-log` writes an audit log.
 */
import { once } from 'node:events';
import { dirname } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { startCluster } from './cluster.ts';
import { startRegistry } from './registry.ts';

const begun = performance.now();

function report(line: string): void {
  console.log(`[${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s] ${line}`);
}

async function main(signal: AbortSignal): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await startCluster({ report, signal, auditLog: process.argv.includes('--audit-log') }));
  signal.throwIfAborted();
  const registry = stack.use(await startRegistry({ report, signal }));
  signal.throwIfAborted();
  report('ready');
  const { kubectlPath, auditLog } = cluster.facts;
  console.log(`
  export KUBECONFIG=${cluster.kubeconfig}
  export PATH=${dirname(kubectlPath)}:$PATH

API server  ${cluster.server}
registry    ${registry.url} (images are ${registry.address}/NAME:TAG)
kubectl     ${kubectlPath}
logs        ${cluster.facts.folder}/*.log${auditLog === undefined ? '' : `\naudit log   ${auditLog}`}

Ctrl-C ends all of it.
`);
  if (!signal.aborted) await once(signal, 'abort');
  report('ending');
}

const ended = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => ended.abort());
// While waiting for the signal nothing else would keep the process up.
const alive = setInterval(() => undefined, 2 ** 30);
try {
  await main(ended.signal);
} catch (error) {
  if (!ended.signal.aborted) {
    process.stderr.write(`\nnpm run cluster failed: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
} finally {
  clearInterval(alive);
}

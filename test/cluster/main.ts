/**
 * `npm run cluster`: a real Kubernetes control plane and a registry on loopback, until Ctrl-C, which leaves no process
 * and no file behind. `--audit-log` writes an audit log.
 */
import { once } from 'node:events';
import { dirname } from 'node:path';
import { runProgram } from '../support/program.ts';
import { reportTo } from '../support/progress.ts';
import { startCluster } from './cluster.ts';
import { startRegistry } from './registry.ts';

const report = reportTo(process.stdout);

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

await runProgram('npm run cluster', main);

/**
 * `npm run start:cluster`: from nothing to a Wasm pod whose log streams. Brings up a cluster (or joins the one that KUBECONFIG
 * names), a registry and an agent; builds the sample guest from its source, pushes it, applies its pod, streams its
 * log; then stays up until Ctrl-C (with `-- --once`: ends), which leaves nothing behind.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../base/errors.ts';
import { startCluster, useExistingCluster, type Cluster } from '../cluster/cluster.ts';
import { startRegistry, type Registry } from '../cluster/registry.ts';
import { PROJECT, TestAgent } from './agent.ts';
import { compileC } from './guests.ts';
import { runProgram } from './program.ts';
import { reportTo } from './progress.ts';
import { pushImage } from './push.ts';
import { buildTools } from './tools.ts';

const EXAMPLE = join(PROJECT, 'examples/hello');
const READY_TIMEOUT = '120s';

const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } });

const report = reportTo(process.stdout);

async function cluster(): Promise<Cluster> {
  const kubeconfig = process.env['KUBECONFIG'];
  if (kubeconfig) {
    const { kubectl } = await buildTools(['kubectl'], { report });
    report(`joining the cluster of ${kubeconfig}`);
    return useExistingCluster(kubeconfig, kubectl);
  }
  return startCluster({ report });
}

/** An agent that obtains its certificate as in any cluster: by a request that Kubernetes signs. */
async function agentFor(target: Cluster, nodeName: string): Promise<TestAgent> {
  const ours = !process.env['KUBECONFIG'];
  return TestAgent.start({
    nodeName,
    config: {
      bootstrapKubeconfig: ours ? await target.bootstrapKubeconfig() : target.kubeconfig,
      logLevel: 'info',
      podsOnShutdown: 'end',
      // Our own cluster reaches the node over loopback; another one reaches it where it routes to.
      ...(ours ? {} : { nodeIP: [], address: '0.0.0.0', port: 10250 }),
    },
  });
}

async function main(signal: AbortSignal): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const target = stack.use(await cluster());
  const registry = stack.use(await startRegistry({ report }));
  const nodeName = `wasmlet-${hostname().toLowerCase()}`;
  stack.defer(async () => {
    await target.kubectl(['delete', 'node', nodeName, '--ignore-not-found', '--wait=false']);
  });
  if (process.env['KUBECONFIG']) {
    // Our own cluster goes with all that is in it; in another one a pod of a node that is gone would stay for long.
    stack.defer(async () => {
      await target.kubectl(['delete', 'pod', 'hello', '--ignore-not-found', '--force', '--grace-period=0']);
    });
  }
  const agent = stack.use(await agentFor(target, nodeName));
  report(`the agent runs (log: ${agent.logFile}); waiting for node ${nodeName} to be Ready`);
  try {
    await runHello(target, registry, nodeName, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Error(`${messageOf(error)}\n\nThe agent's last lines:\n${await agent.lastLines()}`, { cause: error });
  }
  if (values.once) return;
  await once(signal, 'abort');
}

async function runHello(target: Cluster, registry: Registry, nodeName: string, signal: AbortSignal): Promise<void> {
  await target.kubectl.ok(['apply', '-f', join(PROJECT, 'manifests/runtimeclasses.yaml')]);
  await untilCreated(target, nodeName, signal);
  await target.kubectl.ok(['wait', '--for=condition=Ready', `node/${nodeName}`, `--timeout=${READY_TIMEOUT}`], {
    signal,
  });

  report('compiling examples/hello/hello.c to WebAssembly');
  const wasm = await compileC(join(EXAMPLE, 'hello.c'));
  const { reference } = await pushImage({
    registry: registry.address,
    repository: 'examples/hello',
    tag: '1',
    flavour: 'cncf',
    wasm,
  });
  report(`pushed ${reference}; applying examples/hello/pod.yaml`);
  const manifest = (await readFile(join(EXAMPLE, 'pod.yaml'), 'utf8')).replace('REGISTRY', registry.address);
  await target.kubectl.ok(['delete', 'pod', 'hello', '--ignore-not-found'], { signal });
  await target.kubectl.ok(['apply', '-f', '-'], { input: manifest, signal });
  await target.kubectl.ok(['wait', '--for=condition=Ready', 'pod/hello', `--timeout=${READY_TIMEOUT}`], { signal });
  report('the pod is Running; its log:\n');
  await show(target, ['logs', '-f', 'hello'], signal);
  await target.kubectl.ok(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/hello', '--timeout=30s'], {
    signal,
  });
  console.log('');
  await show(target, ['get', 'nodes,pods', '-o', 'wide'], signal);
  if (values.once) return;
  console.log(`
Up until Ctrl-C. In another terminal:

  export KUBECONFIG=${target.kubeconfig}
  alias kubectl=${target.facts.kubectlPath}
  kubectl describe pod hello
  kubectl logs --timestamps hello
  kubectl delete pod hello
  kubectl describe node ${nodeName}
`);
}

/** `kubectl wait` fails on an object that does not exist yet. */
async function untilCreated(target: Cluster, nodeName: string, signal: AbortSignal): Promise<void> {
  await target.kubectl.ok(['wait', '--for=create', `node/${nodeName}`, `--timeout=${READY_TIMEOUT}`], { signal });
}

/** Runs kubectl with its output shown as it comes. */
async function show(target: Cluster, args: readonly string[], signal: AbortSignal): Promise<void> {
  const child = spawn(target.facts.kubectlPath, ['--kubeconfig', target.kubeconfig, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
    signal,
  });
  await once(child, 'exit');
}

await runProgram('npm run start:cluster', main);
report('all ended and cleaned up');

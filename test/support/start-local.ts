/**
 * `npm start`: from nothing to a Wasm pod whose log streams, with Node and npm alone. Starts local mode (`wasmlet up`),
 * compiles the sample guest, puts it into the node's store, applies its pod and streams its log; then stays up until
 * Ctrl-C (with `-- --once`: ends), which leaves nothing behind. On a real cluster: `npm run start:cluster`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { shellWord } from '../../agent/commands/shell-word.ts';
import { cgroupRootOf } from '../../agent/local/up.ts';
import type { Pod } from '../../agent/kube/types.ts';
import { PROJECT } from './agent.ts';
import { createApi, type Api } from './api.ts';
import { removeControlGroups } from './cgroups.ts';
import { compileC } from './guests.ts';
import { runProgram } from './program.ts';
import { reportTo } from './progress.ts';

const EXAMPLE = join(PROJECT, 'examples/hello');
const IMAGE = 'localhost/examples/hello:1';
const CLI = join(PROJECT, 'agent/cli.ts');
const PODS = '/api/v1/namespaces/default/pods';

const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } });

const report = reportTo(process.stdout);

interface Running extends AsyncDisposable {
  readonly kubeconfig: string;
  readonly root: string;
}

/** `wasmlet up` with a folder that goes with it. */
async function startUp(signal: AbortSignal): Promise<Running> {
  const root = await mkdtemp(join(tmpdir(), 'wasmlet-'));
  // In a process group of its own: Ctrl-C ends us, and we end it.
  // Types of the page's program are stripped by what Node calls experimental; in what is published they are gone.
  const args = ['--disable-warning=ExperimentalWarning', CLI, 'up', '--root', root, '--port', '0'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const ended = once(child, 'exit');
  const dispose = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
    await removeControlGroups(cgroupRootOf(root));
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  };
  const giveUp = () => child.kill('SIGTERM');
  signal.addEventListener('abort', giveUp, { once: true });
  let isReady = false;
  for await (const line of createInterface({ input: child.stdout })) {
    isReady = line.includes('is Ready');
    if (isReady) break;
  }
  signal.removeEventListener('abort', giveUp);
  if (!isReady) {
    await dispose();
    throw new Error('wasmlet up ended before its node was Ready');
  }
  child.stdout.resume();
  return { kubeconfig: join(root, 'api/kubeconfig'), root, [Symbol.asyncDispose]: dispose };
}

/** Runs one command of wasmlet to its end. */
async function wasmlet(...args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit') as Promise<[number | null]>]);
  if (code !== 0) throw new Error(`wasmlet ${args.join(' ')} failed: ${said.trim()}`);
}

async function main(signal: AbortSignal): Promise<void> {
  report('starting local mode: a small Kubernetes API server and its node, in one process');
  await using up = await startUp(signal);
  report('the node is Ready; compiling examples/hello/hello.c to WebAssembly');
  await wasmlet(
    'images',
    'import',
    '--root-dir',
    join(up.root, 'node'),
    await compileC(join(EXAMPLE, 'hello.c')),
    IMAGE,
  );
  report(`put it into the node's store as ${IMAGE}; applying examples/hello/pod.yaml`);
  const api = await createApi(up.kubeconfig);
  await runHello(api, up.kubeconfig, signal);
  if (values.once) return;
  console.log(`
Up until Ctrl-C. In another terminal, with kubectl if you have it:

  export KUBECONFIG=${shellWord(up.kubeconfig)}
  kubectl get pods -o wide
  kubectl describe pod hello
  kubectl delete pod hello
`);
  await once(signal, 'abort');
}

async function runHello(api: Api, kubeconfig: string, signal: AbortSignal): Promise<void> {
  const manifest = (await readFile(join(EXAMPLE, 'pod.yaml'), 'utf8')).replace('REGISTRY/examples/hello:1', IMAGE);
  const { status, body } = await api.request('POST', PODS, parse(manifest) as object);
  if (status !== 201) throw new Error(`the pod was refused: ${JSON.stringify(body)}`);
  const own = { fieldSelector: 'metadata.name=hello' };
  await api.waitFor<Pod>(PODS, ({ status: now }) => now?.phase !== 'Pending', own);
  report('the pod is Running; its log:\n');
  await follow(kubeconfig, `${PODS}/hello/log?follow=true`, signal);
  const { status: last } = await api.waitFor<Pod>(PODS, ({ status: now }) => now?.phase !== 'Running', own);
  console.log('');
  report(`the pod has ${last?.phase ?? ''}`);
}

/** Shows a stream of text as it comes, to its end. */
async function follow(kubeconfig: string, path: string, signal: AbortSignal): Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const options = {};
  await config.applyToHTTPSOptions(options);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  get(`${config.getCurrentCluster()?.server ?? ''}${path}`, { ...options, signal }, resolve).on('error', reject);
  await pipeline(await promise, process.stdout, { end: false });
}

await runProgram('npm start', main);
report('all ended and cleaned up');

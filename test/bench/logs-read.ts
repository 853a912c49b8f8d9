import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { startBareNode } from './bare-node.ts';
import type { Benchmark } from './benchmark.ts';
import type { Stage } from './stage.ts';
import { median } from './statistics.ts';

const BYTES = 100_000_000;
const RUNS = 3;
const TAIL_RUNS = 10;
const CHUNK = Buffer.from(`${'x'.repeat(99)}\n`.repeat(1000));

/** Reads the log of 100 MB with kubectl. The limit is a server that has the text ready, behind the same API server. */
export const logsRead: Benchmark = {
  name: 'logs.read',
  figures: ['logs.followMBs', 'logs.tailMs'],
  async run(open, report) {
    const stage = await open();
    const image = await stage.presentImage('flood', ['0']);
    await using pods = stage.watchPods();
    const name = 'flood';
    report('writing a log of 100 MB');
    await stage.create(stage.pod({ name, image, args: [String(BYTES), 'buffered'] }));
    await pods.until(name, ({ status }) => status?.phase === 'Succeeded');
    report('reading it with kubectl logs -f and --tail=10');
    const follow = await rate(stage, name);
    const tail = await tailTime(stage, name);
    await stage.delete(name, pods);
    await using bare = await startBareNode(stage, image, CHUNK, BYTES / CHUNK.length);
    const means = 'kubectl logs -f from a server that has the text ready, behind the same API server';
    return [
      { name: 'logs.followMBs', value: follow, limit: { value: await rate(stage, bare.pod), means } },
      {
        name: 'logs.tailMs',
        value: tail,
        limit: { value: await versionTime(stage), means: 'kubectl get --raw /version' },
      },
    ];
  },
};

async function rate(stage: Stage, pod: string): Promise<number> {
  const rates: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const { bytes, ms } = await kubectl(stage, ['logs', '-f', pod]);
    if (bytes !== BYTES) throw new Error(`kubectl logs -f ${pod} showed ${bytes} bytes of ${BYTES}`);
    rates.push(bytes / 1e6 / (ms / 1000));
  }
  return median(rates);
}

async function tailTime(stage: Stage, pod: string): Promise<number> {
  return await medianTime(() => kubectl(stage, ['logs', '--tail=10', pod]));
}

async function versionTime(stage: Stage): Promise<number> {
  return await medianTime(() => kubectl(stage, ['get', '--raw', '/version']));
}

async function medianTime(run: () => Promise<{ ms: number }>): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < TAIL_RUNS; count++) times.push((await run()).ms);
  return median(times);
}

/** Runs kubectl and counts what it prints. */
async function kubectl(stage: Stage, args: readonly string[]): Promise<{ bytes: number; ms: number }> {
  const { kubectlPath, kubeconfig } = stage.cluster.facts;
  const start = performance.now();
  const all = ['--kubeconfig', kubeconfig, '-n', stage.namespace, ...args];
  const child = spawn(kubectlPath, all, { stdio: ['ignore', 'pipe', 'inherit'] });
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => (bytes += chunk.length));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${code ?? 'a signal'}`);
  return { bytes, ms: performance.now() - start };
}

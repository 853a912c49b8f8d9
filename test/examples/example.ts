import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROJECT } from '../support/agent.ts';
import { run } from '../support/command.ts';
import { NODE_LABEL, type Namespace, type Scene } from '../e2e/scene.ts';
import { installCommands } from './commands.ts';

const EXAMPLES = join(PROJECT, 'examples');
/** The first run of a compiler builds its libraries, on a busy machine. */
const LINE_TIMEOUT_MS = 15 * 60_000;

export interface ExampleOptions {
  readonly scene: Scene;
  readonly namespace: Namespace;
  readonly env: Readonly<Record<string, string>>;
  /** Does what a cluster has others for, once a manifest is applied. */
  readonly applied?: () => Promise<void>;
}

/** What a README's first blocks say: the lines to run, and what the last of them prints. */
export async function readExample(
  name: string,
): Promise<{ readonly lines: readonly string[]; readonly output: string }> {
  const text = await readFile(join(EXAMPLES, name, 'README.md'), 'utf8');
  const [, script = '', output = ''] = /^```sh\n([^]*?)^```\n+^```\n([^]*?)^```/m.exec(text) ?? [];
  return { lines: script.trim().split('\n'), output };
}

export async function exampleNames(): Promise<string[]> {
  const entries = await readdir(EXAMPLES, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory() && entry.name !== 'include').map(({ name }) => name);
}

/**
 * Runs what an example's README has its reader run, line by line, in a copy of the example. Its pods go to the scene's
 * node, by a RuntimeClass of their own.
 * @returns what the last line printed
 */
export async function runExample(name: string, { scene, namespace, env, applied }: ExampleOptions): Promise<string> {
  const place = await mkdtemp(join(tmpdir(), 'wasmlet-example-'));
  try {
    await cp(EXAMPLES, join(place, 'examples'), { recursive: true });
    const cwd = join(place, 'examples', name);
    await useRuntimeClass(cwd, await runtimeClassOf(scene));
    const commands = join(place, 'bin');
    await installCommands(commands, { kubectl: scene.cluster.kubectlPath, namespace: namespace.name });
    const all = { ...process.env, KUBECONFIG: scene.cluster.kubeconfig, ...env };
    let printed = '';
    for (const line of (await readExample(name)).lines) {
      const PATH = `${commands}:${process.env['PATH'] ?? ''}`;
      const result = await run('sh', ['-ec', line], { cwd, env: { ...all, PATH }, timeoutMs: LINE_TIMEOUT_MS });
      if (result.exitCode !== 0) throw new Error(`${line}\n${result.stdout}${result.stderr}${await pods(namespace)}`);
      printed = result.stdout;
      if (line.includes('kubectl apply')) await applied?.();
    }
    return printed;
  } finally {
    await rm(place, { recursive: true });
  }
}

const pods = (namespace: Namespace): Promise<string> => namespace.kubectl('describe', 'pods').catch(() => '');

async function useRuntimeClass(folder: string, runtimeClass: string): Promise<void> {
  for (const name of (await readdir(folder)).filter((each) => each.endsWith('.yaml'))) {
    const path = join(folder, name);
    const manifest = await readFile(path, 'utf8');
    await writeFile(path, manifest.replaceAll('runtimeClassName: wasm\n', `runtimeClassName: ${runtimeClass}\n`));
  }
}

const runtimeClasses = new Map<string, Promise<string>>();

/** RuntimeClass `wasm`, for one node; made once. */
function runtimeClassOf(scene: Scene): Promise<string> {
  const { nodeName } = scene.agent;
  const made = runtimeClasses.get(nodeName) ?? makeRuntimeClass(scene, nodeName);
  runtimeClasses.set(nodeName, made);
  return made;
}

async function makeRuntimeClass(scene: Scene, nodeName: string): Promise<string> {
  const wasm = JSON.parse(await scene.kubectl(['get', 'runtimeclass', 'wasm', '--output=json'])) as {
    scheduling: { nodeSelector: Record<string, string> };
  };
  const nodeSelector = { ...wasm.scheduling.nodeSelector, [NODE_LABEL]: nodeName };
  const own = { ...wasm, metadata: { name: nodeName }, scheduling: { ...wasm.scheduling, nodeSelector } };
  await scene.kubectl(['apply', '-f', '-'], JSON.stringify(own));
  return nodeName;
}

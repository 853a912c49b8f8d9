/**
 * Agents of the end-to-end suite as the chart makes them (WASMLET_TEST_CHART): their identity is obtained under the
 * chart's own rights, by a token of the service account that it makes, and their configuration is the chart's.
 */
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { KubeObject } from '../../agent/kube/types.ts';
import { applyManifests, type ClusterAccess } from '../cluster/access.ts';
import { writeKubeconfig } from '../cluster/kubeconfig.ts';
import type { TestAgent } from '../support/agent.ts';
import { CHART, createHelm, objectsOf } from './helm.ts';

/** Release and namespace: one for all agents of a run, as in a cluster. */
const NAME = 'wasmlet-chart';
/** Who the agents are before they are nodes, by the API server's own name. */
export const CHART_ACCOUNT = `system:serviceaccount:${NAME}:${NAME}`;
const RIGHTS = new Set(['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding']);
/** What the chart sets and a machine with other agents, without containers, cannot have: its ports and folders. */
const OF_THE_MACHINE = new Set(['rootDir', 'port', 'cniConfDir', 'cniBinDir']);

/** Whether the suite's agents are to be as the chart makes them. */
export const isChartWanted = (): boolean => process.env['WASMLET_TEST_CHART'] === 'full';

/**
 * Renders the chart in mode full, applies its account and rights, and no others, to the cluster.
 * @param agent whose folder takes the place of the machine's
 * @param nodeLabels of its node
 * @returns the agent's configuration: the chart's, with a kubeconfig to bootstrap with in place of the pod's token
 */
export async function chartConfig(
  cluster: ClusterAccess,
  agent: TestAgent,
  nodeLabels: Readonly<Record<string, string>>,
): Promise<Record<string, unknown>> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-helm-'));
  const helm = await createHelm(folder.path);
  const capacity = { cpu: String(availableParallelism()), memory: String(totalmem()) };
  const full = { rootDir: agent.rootDir, capacity };
  const values = { mode: 'full', nodeLabels, clusterDNS: ['10.0.0.10'], full };
  const sets = Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`]);
  const made = objectsOf(await helm.ok(['template', NAME, CHART, '--namespace', NAME, '--no-hooks', ...sets]));
  const namespace: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAME } };
  await applyManifests(cluster.kubectl, [namespace, ...made.filter(({ kind }) => RIGHTS.has(kind ?? ''))]);
  const bootstrapKubeconfig = join(agent.folder, 'bootstrap.kubeconfig');
  await writeAccountKubeconfig(cluster, NAME, NAME, bootstrapKubeconfig);
  return { ...configOf(made), bootstrapKubeconfig };
}

/** Writes a kubeconfig with a token of a service account that is there, as a pod has one mounted. */
export async function writeAccountKubeconfig(
  { kubectl, server, caFile }: ClusterAccess,
  namespace: string,
  account: string,
  path: string,
): Promise<string> {
  const token = (await kubectl.ok(['-n', namespace, 'create', 'token', account])).trim();
  return writeKubeconfig(path, { server, authority: await readFile(caFile, 'utf8') }, { token });
}

function configOf(made: readonly KubeObject[]): Record<string, unknown> {
  const map = made.find(({ kind }) => kind === 'ConfigMap') as unknown as { data: { 'config.yaml': string } };
  const config = parse(map.data['config.yaml']) as Record<string, unknown> & { runtimeLauncher: readonly string[] };
  // The agent is in no container: where it is is the machine, in place of that of process 1.
  const [nsenter = '', , , ...rest] = config.runtimeLauncher;
  const runtimeLauncher = ['sh', '-c', `exec ${nsenter} --target $$ "$@"`, 'launch', ...rest];
  const kept = Object.entries(config).filter(([key]) => !OF_THE_MACHINE.has(key));
  return { ...Object.fromEntries(kept), runtimeLauncher };
}

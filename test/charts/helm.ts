import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../agent/kube/types.ts';
import { PROJECT } from '../support/agent.ts';
import { run, type CommandResult } from '../support/command.ts';
import { buildTools } from '../support/tools.ts';

export const CHART = join(PROJECT, 'charts/wasmlet');
export const MODES = ['unprivileged', 'full'] as const;
export type Mode = (typeof MODES)[number];

export interface Helm {
  /** Runs helm and returns what it said, whatever its exit code. */
  (args: readonly string[]): Promise<CommandResult>;
  /** Runs helm and returns its standard output. @throws Error with its stderr when it fails */
  ok(args: readonly string[]): Promise<string>;
}

const TIMEOUT_MS = 600_000;

/**
 * The real Helm, built if need be.
 * @param folder for its caches, so that nothing is left in the home folder
 * @param kubeconfig of the cluster, where there is one
 */
export async function createHelm(folder: string, kubeconfig = ''): Promise<Helm> {
  const { helm } = await buildTools(['helm']);
  const homes = { HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder };
  const env = { ...process.env, ...homes, KUBECONFIG: kubeconfig };
  const helmRun = (args: readonly string[]) => run(helm, args, { env, timeoutMs: TIMEOUT_MS });
  return Object.assign(helmRun, {
    ok: async (args: readonly string[]) => {
      const { exitCode, stdout, stderr } = await helmRun(args);
      if (exitCode !== 0) throw new Error(`helm ${args.join(' ')}: exit code ${exitCode}\n${stderr}`);
      return stdout;
    },
  });
}

/** The objects of a manifest. */
export function objectsOf(manifest: string): KubeObject[] {
  const documents = parseAllDocuments(manifest) as { toJS(): KubeObject | null | undefined }[];
  return documents.map((document) => document.toJS()).filter((object) => object !== null && object !== undefined);
}

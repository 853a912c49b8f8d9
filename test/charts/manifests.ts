/**
 * `npm run manifests`: makes manifests/unprivileged and manifests/full of the chart, so that there is one truth. Helm's
 * hooks are not in them: kubectl runs none.
 */
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROJECT } from '../support/agent.ts';
import { CHART, createHelm, MODES, type Helm, type Mode } from './helm.ts';

const NAMESPACE = 'wasmlet';
const HEAD = `# Made of charts/wasmlet by \`npm run manifests\`: change it there.
apiVersion: v1
kind: Namespace
metadata:
  name: ${NAMESPACE}
`;

/** Path of a mode's manifest. */
export const manifestFile = (mode: Mode): string => join(PROJECT, 'manifests', mode, 'wasmlet.yaml');

/** What the chart makes of its defaults in a mode, as it stands in the manifest. */
export async function manifestOf(helm: Helm, mode: Mode): Promise<string> {
  const args = ['template', 'wasmlet', CHART, '--namespace', NAMESPACE, '--set', `mode=${mode}`, '--no-hooks'];
  const made = await helm.ok(args);
  const lines = made.split('\n').filter((line) => !/helm\.sh\/chart|^# Source: /.test(line));
  return HEAD + lines.join('\n').replaceAll('managed-by: Helm', 'managed-by: kustomize');
}

if (import.meta.main) {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-helm-'));
  const helm = await createHelm(folder.path);
  for (const mode of MODES) await writeFile(manifestFile(mode), await manifestOf(helm, mode));
}

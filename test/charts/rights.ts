import { expect } from 'vitest';
import type { KubeObject } from '../../agent/kube/types.ts';
import { requestsOf } from '../support/audit-log.ts';
import type { ChartRelease } from './chart-release.ts';

interface Rules {
  readonly rules: readonly { readonly resources: readonly string[]; readonly verbs: readonly string[] }[];
}

/** What rules allow, as 'VERB RESOURCE/SUBRESOURCE'. */
const allowed = (role: KubeObject | undefined): string[] =>
  ((role as unknown as Rules | undefined)?.rules ?? []).flatMap(({ resources, verbs }) =>
    resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
  );

/**
 * Expects, by the API server's audit log, that each account of a release has used every right that the chart gives it, and
 * that nothing was refused to it. For the end of a release that was installed, tested and uninstalled.
 */
export async function expectRightsUsed(release: ChartRelease): Promise<void> {
  const { cluster, namespace, name } = release;
  const { auditLog } = cluster;
  if (auditLog === undefined) return;
  const made = await release.template();
  const role = (suffix: string) =>
    made.find(({ kind, metadata }) => kind === 'ClusterRole' && metadata?.name === `${namespace}-${name}-${suffix}`);
  const account = (suffix: string) => requestsOf(auditLog, `system:serviceaccount:${namespace}:${name}${suffix}`);
  // `nodeclient` is not asked for: the controller manager asks whether it is allowed.
  const bootstrap = allowed(role('bootstrap')).filter((right) => !right.endsWith('/nodeclient'));
  for (const [given, asked] of [
    [bootstrap, await account('')],
    [allowed(role('departure')), await account('-departure')],
    [allowed(role('test')), await account('-test')],
  ] as const) {
    expect([...asked.allowed].toSorted()).toEqual([...given].toSorted());
    expect([...asked.refused]).toEqual([]);
  }
}

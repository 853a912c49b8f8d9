import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, inject, test } from 'vitest';
import { WasmletError } from '../../base/errors.ts';
import type { ClusterAccess } from '../cluster/access.ts';
import { accessCluster } from '../cluster/access.ts';
import type { Api } from './api.ts';
import { createApi } from './api.ts';
import type { TestEnvironment } from './global-setup.ts';

/** The run's cluster and registry, for tests. */
export interface TestCluster extends ClusterAccess {
  readonly kubectlPath: string;
  /** Host and port of the open registry, as in an image reference. */
  readonly registry: string;
  /** Path of the crane binary. */
  readonly crane: string;
  /** Path of the audit log: every request to the API server, one JSON event a line. Not for an existing cluster. */
  readonly auditLog: string | undefined;
  /** The administrator's requests and watches. */
  api(): Promise<Api>;
  /** Requests of nobody: no certificate, no token. */
  anonymousApi(): Promise<Api>;
}

/** A namespace of one test; disposed, it is deleted with all that is in it. */
export interface TestNamespace extends AsyncDisposable {
  readonly name: string;
  /** Base path of the namespace's core objects: '/api/v1/namespaces/NAME'. */
  readonly path: string;
}

/** Why the tests on the cluster cannot run here; undefined when they can. */
export function whyNoCluster(): string | undefined {
  const environment = inject('environment');
  return 'unavailable' in environment ? environment.unavailable : undefined;
}

/**
 * A suite on the run's cluster. Without one it is reported as skipped, with why in its title; on CI the run has failed
 * before (global-setup.ts).
 */
export function describeOnCluster(name: string, body: () => void): void {
  const why = whyNoCluster();
  if (why === undefined) describe(name, body);
  else describe.skip(`${name} (skipped: ${why})`, body);
}

let cluster: TestCluster | undefined;

/** The run's cluster. @throws WasmletError FailedPrecondition where there is none: use describeOnCluster */
export function useCluster(): TestCluster {
  cluster ??= testCluster(environment());
  return cluster;
}

/** What the run shares beside the cluster, and for tests with a cluster of their own. @throws as useCluster */
export function environment(): TestEnvironment {
  const provided = inject('environment');
  if ('unavailable' in provided) throw new WasmletError('FailedPrecondition', `no cluster: ${provided.unavailable}`);
  return provided;
}

/** A cluster as tests use it. */
export function testCluster({ cluster: facts, registry, crane }: TestEnvironment): TestCluster {
  let api: Promise<Api> | undefined;
  const access = accessCluster(facts);
  return Object.assign(access, {
    kubectlPath: facts.kubectlPath,
    registry,
    crane,
    auditLog: facts.auditLog,
    api: () => (api ??= createApi(facts.kubeconfig)),
    anonymousApi: async () => {
      return createApi({ server: facts.server, authority: await readFile(facts.caFile, 'utf8') });
    },
  });
}

/** Makes a namespace of its own for a test, ready to take pods. */
export async function createNamespace(prefix = 'test', of: TestCluster = useCluster()): Promise<TestNamespace> {
  const api = await of.api();
  const name = `${prefix}-${randomBytes(4).toString('hex')}`;
  const { status } = await api.request('POST', '/api/v1/namespaces', {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
  });
  if (status !== 201) throw new WasmletError('Internal', `namespace ${name}: HTTP ${status}`);
  const path = `/api/v1/namespaces/${name}`;
  // Pods are refused until the controller manager has made this account.
  await api.waitFor(`${path}/serviceaccounts`, () => true, { fieldSelector: 'metadata.name=default' });
  return {
    name,
    path,
    // Not waited for: its pods end at their own pace, and no test looks into another's namespace.
    [Symbol.asyncDispose]: async () => {
      await api.request('DELETE', path);
    },
  };
}

/** vitest's `test` with the cluster and a namespace of the test's own; inside describeOnCluster. */
export const clusterTest = test.extend<{ cluster: TestCluster; namespace: TestNamespace }>({
  // eslint-disable-next-line no-empty-pattern -- vitest reads a fixture's needs from its pattern
  cluster: async ({}, use) => use(useCluster()),
  // eslint-disable-next-line no-empty-pattern -- as above
  namespace: async ({}, use) => {
    await using namespace = await createNamespace();
    await use(namespace);
  },
});

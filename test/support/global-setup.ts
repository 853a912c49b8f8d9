import type { TestProject } from 'vitest/node';
import type { ClusterFacts } from '../cluster/access.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { startCluster, useExistingCluster } from '../cluster/cluster.ts';
import { startRegistry } from '../cluster/registry.ts';
import { buildTools, whyNoGo } from './tools.ts';

/** What one run of the end-to-end tests shares; plain data, for it crosses into the test processes. */
export interface TestEnvironment {
  readonly cluster: ClusterFacts;
  /** Host and port of the open registry, as in an image reference. */
  readonly registry: string;
  /** Paths of the binaries. */
  readonly crane: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** The run's cluster and registry, or why there is none. */
    environment: TestEnvironment | { readonly unavailable: string };
  }
}

/**
 * vitest's global set-up of the projects e2e and oracles: one control plane and one registry for each. Without Go the
 * tests that need them are skipped, visibly, and on CI (`CI` set) the run fails instead. WASMLET_TEST_KUBECONFIG names an
 * existing cluster to be used, as its administrator, instead of an own one.
 * @returns the tear-down
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const unavailable = await whyNoGo();
  if (unavailable !== undefined) {
    if (process.env['CI']) throw new Error(`${unavailable}; on CI the tests on the real cluster must not be skipped`);
    report(`skipped: ${unavailable}; the tests on the real cluster need it`);
    project.provide('environment', { unavailable });
    return () => Promise.resolve();
  }
  await using stack = new AsyncDisposableStack();
  // The tools first and one after the other: a Go build takes every core there is.
  const { crane, kubectl } = await buildTools(['crane', 'registry', 'kubectl'], { report });
  const [cluster, registry] = await Promise.all([
    testCluster(kubectl).then((started) => stack.use(started)),
    startRegistry({ report }).then((started) => stack.use(started)),
  ]);
  project.provide('environment', { cluster: cluster.facts, registry: registry.address, crane });
  const owned = stack.move();
  return () => owned.disposeAsync();
}

async function testCluster(kubectl: string): Promise<Cluster> {
  const existing = process.env['WASMLET_TEST_KUBECONFIG'];
  return existing ? useExistingCluster(existing, kubectl) : startCluster({ report, auditLog: true });
}

function report(line: string): void {
  process.stderr.write(`${line}\n`);
}

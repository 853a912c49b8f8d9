import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Node } from '../../agent/kube/types.ts';
import { describeScene } from '../e2e/scene.ts';
import { useCluster } from '../support/fixture.ts';
import type { CallMatrix, NodePort, Verdict } from './call-matrix.ts';
import { askAll, formatMatrix } from './call-matrix.ts';
import { startKubeletOverWasmlet } from './kubelet-over-wasmlet.ts';

/** What a kubelet of the version in test/golden/go/go.mod answered. WASMLET_TEST_RECORD=true records it anew. */
const RECORDING = join(import.meta.dirname, 'call-matrix.json');
const isRecording = process.env['WASMLET_TEST_RECORD'] === 'true';
const RECORD_MS = 600_000;

const VERBS: Readonly<Record<string, string>> = {
  GET: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

function refused(method: string, verb: string, subresources: readonly string[]): Verdict {
  const what = `user=USER, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}]`;
  return {
    status: 403,
    says: method === 'HEAD' ? '' : `Forbidden (${what})\n`,
    reviews: subresources.map((subresource) => `${verb} nodes/${subresource}`),
  };
}

const UNAUTHORIZED: Verdict = { status: 401, says: 'Unauthorized', reviews: [] };

/** Subresources of paths that the kubelet does not serve; of all others it is proxy alone. */
const SUBRESOURCES: Readonly<Record<string, readonly string[]>> = {
  '/healthz/': ['healthz', 'proxy'],
  '/runningpods': ['pods', 'proxy'],
  '/stats': ['stats'],
  '/logs': ['log'],
  '/pods/../exec/ns/pod/container': ['pods', 'proxy'],
};

interface Difference {
  readonly why: string;
  readonly covers: (path: string, kubelet: Verdict) => boolean;
  readonly ours: (method: string, path: string) => Verdict;
}

/** What differs and should. The first that covers a call counts. */
const DIFFERENCES: readonly Difference[] = [
  {
    why: 'what executes is create, also as the GET of a WebSocket: docs/RATIONALE.md, "Why is exec authorised as create"',
    covers: (path, { status }) => status === 403 && /^\/(exec|attach|portForward|run)(\/|$)/.test(path),
    ours: (method) => refused(method, 'create', ['proxy']),
  },
  {
    why: "the kubelet's ServeMux answers 404 and 307 before it asks who calls; here nobody learns a path without a right",
    covers: (_path, { status }) => status === 404 || status === 307,
    ours: (method, path) => refused(method, VERBS[method] ?? '', SUBRESOURCES[path] ?? ['proxy']),
  },
  {
    why: 'a path is authorised and routed as it is spelled, so that the two cannot differ: /%70ods is no route',
    covers: (path) => path === '/%70ods',
    ours: (method) => refused(method, VERBS[method] ?? '', ['proxy']),
  },
];

function expected([call, kubelet]: [string, Verdict]): [string, Verdict] {
  const [method = '', path = '', anonymous] = call.replace(',', '').split(' ');
  const difference = DIFFERENCES.find(({ covers }) => covers(path, kubelet));
  if (!difference) return [call, kubelet];
  if (anonymous !== undefined) return [call, UNAUTHORIZED];
  return [call, difference.ours(method, path)];
}

// The audit log and the authority's key belong to a cluster of our own.
const isOwnCluster = !process.env['WASMLET_TEST_KUBECONFIG'];

describeScene("who may call what on a node's port", (scene) => {
  const agentPort = async (): Promise<NodePort> => {
    const { nodeName } = scene().agent;
    const { body } = await scene().api.request<Node>('GET', `/api/v1/nodes/${nodeName}`);
    return { nodeName, port: body.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0 };
  };

  test.runIf(isOwnCluster && isRecording)(
    'is recorded of the kubelet',
    async () => {
      const cluster = useCluster();
      await using kubelet = await startKubeletOverWasmlet({ nodeName: `recorded-${process.pid}`, cluster });
      await writeFile(RECORDING, formatMatrix(await askAll(kubelet, cluster.facts)));
    },
    RECORD_MS,
  );

  test.runIf(isOwnCluster)(
    'the agent asks for the same reviews and refuses in the same words as the kubelet',
    async () => {
      const recorded = JSON.parse(await readFile(RECORDING, 'utf8')) as CallMatrix;
      const ours = await askAll(await agentPort(), useCluster().facts);
      expect(ours).toEqual(Object.fromEntries(Object.entries(recorded).map(expected)));
    },
  );

  test.runIf(isOwnCluster)('every listed difference is one', async () => {
    const recorded = Object.entries(JSON.parse(await readFile(RECORDING, 'utf8')) as CallMatrix);
    for (const { why, covers } of DIFFERENCES) {
      const covered = recorded.filter(([call, kubelet]) => covers(call.split(/[ ,]/)[1] ?? '', kubelet));
      expect(
        covered.some((entry) => JSON.stringify(expected(entry)) !== JSON.stringify(entry)),
        why,
      ).toBe(true);
    }
  });
});

import { webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { ConfigMap, KubeObject, Pod, Status } from '../../agent/kube/types.ts';
import { clusterTest, describeOnCluster, useCluster } from '../support/fixture.ts';
import * as x509 from '../../base/x509.ts';

describeOnCluster('the test cluster', () => {
  test('answers kubectl, both of the version that is promised', async () => {
    const { clientVersion, serverVersion } = JSON.parse(
      await useCluster().kubectl.ok(['version', '-o', 'json']),
    ) as Record<string, { gitVersion: string; major: string; minor: string }>;
    expect(clientVersion).toMatchObject({ gitVersion: 'v1.36.3', major: '1', minor: '36' });
    expect(serverVersion?.gitVersion).toBe('v1.36.3');
  });

  test('tells nobody anything without credentials', async () => {
    const api = await useCluster().anonymousApi();
    const { status, body } = await api.request<Status>('GET', '/api/v1/namespaces/kube-system/secrets');
    expect(status).toBe(403);
    expect(body.message).toContain('User "system:anonymous" cannot list resource "secrets"');
  });

  test("publishes the client authorities that a node's port needs", async () => {
    const api = await useCluster().api();
    const { body } = await api.request<ConfigMap>(
      'GET',
      '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication',
    );
    expect(body.data?.['client-ca-file']?.trim()).toBe(await readFile(useCluster().caFile, 'utf8'));
    expect(body.data?.['requestheader-client-ca-file']).toMatch(/BEGIN CERTIFICATE/);
  });

  clusterTest(
    'holds a node to its own: the Node authorizer and NodeRestriction are on',
    async ({ cluster, namespace }) => {
      const node = cluster.kubectlAs(await cluster.nodeKubeconfig('narrow'));
      const manifest = (name: string) =>
        JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name } } satisfies KubeObject);
      const other = await node(['create', '-f', '-'], { input: manifest('another') });
      expect(other.stderr).toContain('node "narrow" is not allowed to modify node "another"');
      expect((await node(['create', '-f', '-'], { input: manifest('narrow') })).exitCode).toBe(0);
      await cluster.kubectl.ok(['create', 'secret', 'generic', 'hidden', '-n', namespace.name]);
      const secret = await node(['get', 'secret', 'hidden', '-n', namespace.name]);
      expect(secret.stderr).toContain('no relationship found between node');
      await cluster.kubectl.ok(['delete', 'node', 'narrow']);
    },
  );

  clusterTest('binds a pod to a node that is Ready and tolerated', async ({ cluster, namespace }) => {
    const api = await cluster.api();
    const name = `hand-made-${namespace.name}`;
    const now = new Date().toISOString();
    const ready = { type: 'Ready', status: 'True', reason: 'Test', lastHeartbeatTime: now, lastTransitionTime: now };
    const capacity = { cpu: '1', memory: '1Gi', pods: '10' };
    // With its status at once, as a kubelet does: a scheduler that sees it empty first can take minutes to look again.
    await api.request('POST', '/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name },
      status: { capacity, allocatable: capacity, conditions: [ready] },
    });
    await api.request('POST', `${namespace.path}/pods`, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'bound' },
      spec: {
        nodeSelector: {},
        tolerations: [{ operator: 'Exists' }],
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }],
            },
          },
        },
        containers: [{ name: 'one', image: 'example.com/none' }],
      },
    });
    const pod = await api.waitFor<Pod>(`${namespace.path}/pods`, ({ spec }) => spec?.nodeName !== undefined);
    expect(pod.spec?.nodeName).toBe(name);
    await api.request('DELETE', `/api/v1/nodes/${name}`);
  });

  test('approves and signs the certificate of a node that a bootstrap token asks for', async () => {
    const cluster = useCluster();
    const bootstrap = cluster.kubectlAs(await cluster.bootstrapKubeconfig());
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const request = await x509.Pkcs10CertificateRequestGenerator.create({
      name: [{ O: ['system:nodes'] }, { CN: ['system:node:newcomer'] }],
      keys: await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']),
      signingAlgorithm: algorithm,
    });
    const input = JSON.stringify({
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { generateName: 'newcomer-' },
      spec: {
        signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
        usages: ['digital signature', 'client auth'],
        request: Buffer.from(request.toString('pem')).toString('base64'),
      },
    });
    const name = (await bootstrap.ok(['create', '-f', '-', '-o', 'name'], { input })).trim();
    await bootstrap.ok(['wait', '--for=jsonpath={.status.certificate}', '--timeout=30s', name]);
    const encoded = await bootstrap.ok(['get', name, '-o', 'jsonpath={.status.certificate}']);
    const certificate = new x509.X509Certificate(Buffer.from(encoded, 'base64').toString('utf8'));
    expect(certificate.subjectName.getField('CN')).toEqual(['system:node:newcomer']);
    expect((await bootstrap(['get', 'secrets', '-A'])).stderr).toContain('forbidden');
  });

  clusterTest('notes every request in its audit log', async ({ cluster, namespace, skip }) => {
    if (cluster.auditLog === undefined) return skip('an existing cluster keeps its audit log to itself');
    await cluster.kubectl.ok(['get', 'pods', '-n', namespace.name]);
    const lines = (await readFile(cluster.auditLog, 'utf8')).trim().split('\n');
    const events = lines.map((line) => JSON.parse(line) as { verb: string; objectRef?: { namespace?: string } });
    expect(events.some(({ verb, objectRef }) => verb === 'list' && objectRef?.namespace === namespace.name)).toBe(true);
  });
});

import { webcrypto } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as x509 from '../../base/x509.ts';
import { WasmletError } from '../../base/errors.ts';
import type { Kubectl } from '../support/kubectl.ts';
import { createKubectl } from '../support/kubectl.ts';
import type { KeyPair } from './certificates.ts';
import { loadAuthority } from './certificates.ts';
import { writeKubeconfig } from './kubeconfig.ts';

/** All that another process needs to use a running cluster: plain data, to be handed over as JSON. */
export interface ClusterFacts {
  /** 'https://127.0.0.1:6443' */
  readonly server: string;
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  /** Path of the kubectl binary. */
  readonly kubectlPath: string;
  /** Path of the PEM that the API server's certificate verifies against. */
  readonly caFile: string;
  /** Path of the authority's key, where the cluster is ours; an existing cluster signs through its API. */
  readonly caKeyFile?: string;
  /** Path of the audit log (one JSON event a line), where one was asked for. */
  readonly auditLog?: string;
  /** Folder for files that end with the cluster. */
  readonly folder: string;
}

/** A running cluster, seen by those who use it. */
export interface ClusterAccess {
  readonly facts: ClusterFacts;
  readonly server: string;
  /** Path of the administrator's kubeconfig (group system:masters). */
  readonly kubeconfig: string;
  readonly caFile: string;
  /** kubectl as the administrator. */
  readonly kubectl: Kubectl;
  /** Path of a new kubeconfig with a client certificate of system:node:NAME in system:nodes. */
  nodeKubeconfig(nodeName: string): Promise<string>;
  /**
   * Path of a new kubeconfig with the token of a service account that may ask for a node's client certificate and do
   * nothing else: Kubernetes' own roles system:node-bootstrapper and …:nodeclient.
   */
  bootstrapKubeconfig(): Promise<string>;
  /** Path of a new kubeconfig with a bearer token of a service account (which is created if it is not there). */
  serviceAccountKubeconfig(namespace: string, name: string): Promise<string>;
  /** kubectl with another kubeconfig. */
  kubectlAs(kubeconfig: string): Kubectl;
}

const BOOTSTRAP_NAMESPACE = 'kube-system';
const BOOTSTRAP_ACCOUNT = 'wasmlet-bootstrap';
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** Uses a running cluster by its facts. */
export function accessCluster(facts: ClusterFacts): ClusterAccess {
  const kubectlAs = (kubeconfig: string) =>
    createKubectl(facts.kubectlPath, kubeconfig, join(facts.folder, 'kubectl-cache'));
  const kubectl = kubectlAs(facts.kubeconfig);
  let written = 0;
  const newKubeconfig = async (name: string, user: KeyPair | { token: string }) => {
    written += 1;
    const path = join(facts.folder, `${name}-${process.pid}-${written}.kubeconfig`);
    return writeKubeconfig(path, { server: facts.server, authority: await readFile(facts.caFile, 'utf8') }, user);
  };
  const serviceAccountKubeconfig = async (namespace: string, name: string) => {
    await applyManifests(kubectl, [{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } }]);
    const token = (await kubectl.ok(['create', 'token', name, '-n', namespace, '--duration=24h'])).trim();
    return newKubeconfig(name, { token });
  };
  return {
    facts,
    server: facts.server,
    kubeconfig: facts.kubeconfig,
    caFile: facts.caFile,
    kubectl,
    kubectlAs,
    nodeKubeconfig: async (nodeName) => newKubeconfig(nodeName, await nodeCertificate(facts, kubectl, nodeName)),
    serviceAccountKubeconfig,
    bootstrapKubeconfig: async () => {
      await applyManifests(kubectl, bootstrapBindings());
      return serviceAccountKubeconfig(BOOTSTRAP_NAMESPACE, BOOTSTRAP_ACCOUNT);
    },
  };
}

/** Applies objects with kubectl, on the server's side so that it is one request each. */
export async function applyManifests(kubectl: Kubectl, objects: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  await kubectl.ok(['apply', '--server-side', '-f', '-'], { input });
}

/** A ClusterRoleBinding, as plain data. */
export function clusterRoleBinding(name: string, role: string, subject: object): object {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [subject],
  };
}

function bootstrapBindings(): object[] {
  const subject = { kind: 'ServiceAccount', namespace: BOOTSTRAP_NAMESPACE, name: BOOTSTRAP_ACCOUNT };
  return [
    clusterRoleBinding(`${BOOTSTRAP_ACCOUNT}:node-bootstrapper`, 'system:node-bootstrapper', subject),
    clusterRoleBinding(
      `${BOOTSTRAP_ACCOUNT}:nodeclient`,
      'system:certificates.k8s.io:certificatesigningrequests:nodeclient',
      subject,
    ),
  ];
}

async function nodeCertificate(facts: ClusterFacts, kubectl: Kubectl, nodeName: string): Promise<KeyPair> {
  const user = `system:node:${nodeName}`;
  if (facts.caKeyFile === undefined) return requestNodeCertificate(kubectl, nodeName, user);
  const [certificate, key] = await Promise.all([readFile(facts.caFile, 'utf8'), readFile(facts.caKeyFile, 'utf8')]);
  return (await loadAuthority({ certificate, key })).client(user, ['system:nodes']);
}

/** Through the API, with the administrator's approval: the way of a cluster whose authority's key is not ours. */
async function requestNodeCertificate(kubectl: Kubectl, nodeName: string, user: string): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['system:nodes'] }, { CN: [user] }],
    keys,
    signingAlgorithm: KEY_ALGORITHM,
  });
  const created = await kubectl.ok(['create', '-f', '-', '-o', 'name'], {
    input: JSON.stringify({
      apiVersion: 'certificates.k8s.io/v1',
      kind: 'CertificateSigningRequest',
      metadata: { generateName: `wasmlet-test-${nodeName}-` },
      spec: {
        signerName: 'kubernetes.io/kube-apiserver-client-kubelet',
        usages: ['digital signature', 'client auth'],
        request: Buffer.from(request.toString('pem')).toString('base64'),
      },
    }),
  });
  const name = created.trim();
  await kubectl.ok(['certificate', 'approve', name.replace(/^.*\//, '')]);
  await kubectl.ok(['wait', '--for=jsonpath={.status.certificate}', '--timeout=30s', name]);
  const certificate = await kubectl.ok(['get', name, '-o', 'jsonpath={.status.certificate}']);
  return {
    certificate: Buffer.from(certificate, 'base64').toString('utf8'),
    key: x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'),
  };
}

interface KubeconfigView {
  readonly clusters?: readonly { cluster: { server: string; 'certificate-authority-data'?: string } }[];
}

/**
 * The facts of an existing cluster that a kubeconfig reaches as an administrator.
 * @param folder where files about it may be written
 * @throws WasmletError InvalidConfig when the kubeconfig names no server or no authority
 */
export async function existingClusterFacts(
  kubeconfig: string,
  kubectlPath: string,
  folder: string,
): Promise<ClusterFacts> {
  const kubectl = createKubectl(kubectlPath, kubeconfig, join(folder, 'kubectl-cache'));
  const view = await kubectl.ok(['config', 'view', '--raw', '--minify', '--flatten', '-o', 'json']);
  const cluster = (JSON.parse(view) as KubeconfigView).clusters?.[0]?.cluster;
  const authority = cluster?.['certificate-authority-data'];
  if (cluster === undefined || authority === undefined) {
    throw new WasmletError('InvalidConfig', `${kubeconfig}: its current context needs a server and an authority`);
  }
  const caFile = join(folder, 'existing-ca.crt');
  await writeFile(caFile, Buffer.from(authority, 'base64'));
  return { server: cluster.server, kubeconfig, kubectlPath, caFile, folder };
}

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Authority } from './certificates.ts';
import { createAuthority, createTokenKeys, writeKeyPair } from './certificates.ts';
import { writeKubeconfig } from './kubeconfig.ts';

/** Everything that the command lines of the control plane name, written into the cluster's folder. */
export interface ClusterFiles {
  readonly folder: string;
  readonly server: string;
  readonly port: number;
  /** Signs the API server's certificate and every client certificate; also the controller manager's signer. */
  readonly authority: Authority;
  readonly auditLog: string | undefined;
  readonly file: (name: string) => string;
}

export interface ComponentOptions {
  readonly auditLog: boolean;
  readonly featureGates: Readonly<Record<string, boolean>>;
  readonly apiServerArgs: readonly string[];
}

/** User of the API server towards nodes; bound to system:kubelet-api-admin. */
export const KUBELET_CLIENT_USER = 'kube-apiserver-kubelet-client';
/** The issuer and audience of service account tokens. */
export const TOKEN_ISSUER = 'https://kubernetes.default.svc.cluster.local';
const SERVICE_RANGE = '10.0.0.0/24';
const KUBERNETES_SERVICE_ADDRESS = '10.0.0.1';

/** Writes certificates, keys, kubeconfigs, the scheduler's configuration and the audit policy. */
export async function writeClusterFiles(folder: string, port: number, auditLog: boolean): Promise<ClusterFiles> {
  const file = (name: string) => join(folder, name);
  const server = `https://127.0.0.1:${port}`;
  const [authority, frontProxy] = await Promise.all([
    createAuthority('wasmlet-test-cluster'),
    createAuthority('wasmlet-test-front-proxy'),
  ]);
  const address = { server, authority: authority.certificate };
  const kubeconfig = async (name: string, user: string, groups: readonly string[] = []) =>
    writeKubeconfig(file(`${name}.kubeconfig`), address, await authority.client(user, groups));
  const tokenKeys = createTokenKeys();
  await Promise.all([
    writeKeyPair(file('ca'), authority),
    writeFile(file('front-proxy-ca.crt'), frontProxy.certificate),
    frontProxy.client('front-proxy-client').then((pair) => writeKeyPair(file('front-proxy'), pair)),
    authority
      .server('kube-apiserver', {
        dns: ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'],
        ip: ['127.0.0.1', KUBERNETES_SERVICE_ADDRESS],
      })
      .then((pair) => writeKeyPair(file('apiserver'), pair)),
    authority.client(KUBELET_CLIENT_USER).then((pair) => writeKeyPair(file('kubelet-client'), pair)),
    writeFile(file('service-account.pub'), tokenKeys.publicKey),
    writeFile(file('service-account.key'), tokenKeys.privateKey, { mode: 0o600 }),
    kubeconfig('admin', 'admin', ['system:masters']),
    kubeconfig('controller-manager', 'system:kube-controller-manager'),
    kubeconfig('scheduler', 'system:kube-scheduler'),
    writeFile(file('scheduler.yaml'), schedulerConfig(file('scheduler.kubeconfig'))),
    ...(auditLog ? [writeFile(file('audit-policy.yaml'), AUDIT_POLICY)] : []),
  ]);
  return { folder, server, port, authority, auditLog: auditLog ? file('audit.log') : undefined, file };
}

/**
 * Every request at Metadata level, told when it is answered: what the API-call budget tests count. What nodes ask about
 * their callers is told whole: test/golden/call-matrix.ts reads it.
 */
const AUDIT_POLICY = stringify({
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    { level: 'Request', resources: [{ group: 'authorization.k8s.io', resources: ['subjectaccessreviews'] }] },
    { level: 'Metadata' },
  ],
});

function schedulerConfig(kubeconfig: string): string {
  return stringify({
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    leaderElection: { leaderElect: false },
    clientConnection: { kubeconfig, qps: 500, burst: 1000 },
  });
}

/** Where etcd serves: a socket in the cluster's own folder, which no other user can open. */
function etcdSocket(files: ClusterFiles): string {
  return `unix://${files.file('etcd.sock')}`;
}

export function etcdArgs(files: ClusterFiles): string[] {
  return [
    '--name=default',
    `--data-dir=${files.file('etcd')}`,
    `--listen-client-urls=${etcdSocket(files)}`,
    `--listen-peer-urls=unix://${files.file('peer.sock')}`,
    // It insists on a host and a port here, and in a cluster of one never uses them.
    '--advertise-client-urls=http://localhost:2379',
    '--initial-advertise-peer-urls=http://localhost:2380',
    '--initial-cluster=default=http://localhost:2380',
    // A cluster that lives for a test run has nothing to lose in a power cut.
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

export function apiServerArgs(files: ClusterFiles, options: ComponentOptions): string[] {
  const { file } = files;
  return [
    '--bind-address=127.0.0.1',
    `--secure-port=${files.port}`,
    '--advertise-address=127.0.0.1',
    // Endpoints of the service "kubernetes" may not be loopback addresses, and nothing here could use them.
    '--endpoint-reconciler-type=none',
    `--etcd-servers=${etcdSocket(files)}`,
    `--cert-dir=${files.folder}`,
    `--tls-cert-file=${file('apiserver.crt')}`,
    `--tls-private-key-file=${file('apiserver.key')}`,
    `--client-ca-file=${file('ca.crt')}`,
    `--kubelet-client-certificate=${file('kubelet-client.crt')}`,
    `--kubelet-client-key=${file('kubelet-client.key')}`,
    '--kubelet-preferred-address-types=InternalIP,Hostname',
    `--requestheader-client-ca-file=${file('front-proxy-ca.crt')}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--proxy-client-cert-file=${file('front-proxy.crt')}`,
    `--proxy-client-key-file=${file('front-proxy.key')}`,
    `--service-account-issuer=${TOKEN_ISSUER}`,
    `--service-account-key-file=${file('service-account.pub')}`,
    `--service-account-signing-key-file=${file('service-account.key')}`,
    `--service-cluster-ip-range=${SERVICE_RANGE}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--enable-bootstrap-token-auth',
    '--allow-privileged',
    '--profiling=false',
    ...(files.auditLog === undefined
      ? []
      : [`--audit-log-path=${files.auditLog}`, `--audit-policy-file=${file('audit-policy.yaml')}`]),
    ...featureGateArgs(options.featureGates),
    ...options.apiServerArgs,
  ];
}

export function controllerManagerArgs(files: ClusterFiles, options: ComponentOptions): string[] {
  const { file } = files;
  return [
    `--kubeconfig=${file('controller-manager.kubeconfig')}`,
    '--secure-port=0',
    '--leader-elect=false',
    '--use-service-account-credentials',
    `--root-ca-file=${file('ca.crt')}`,
    `--service-account-private-key-file=${file('service-account.key')}`,
    `--cluster-signing-cert-file=${file('ca.crt')}`,
    `--cluster-signing-key-file=${file('ca.key')}`,
    // The default of 20 requests a second would be what the tests measure.
    '--kube-api-qps=500',
    '--kube-api-burst=1000',
    ...featureGateArgs(options.featureGates),
  ];
}

export function schedulerArgs(files: ClusterFiles, options: ComponentOptions): string[] {
  return [`--config=${files.file('scheduler.yaml')}`, '--secure-port=0', ...featureGateArgs(options.featureGates)];
}

function featureGateArgs(gates: Readonly<Record<string, boolean>>): string[] {
  const list = Object.entries(gates).map(([gate, on]) => `${gate}=${on}`);
  return list.length === 0 ? [] : [`--feature-gates=${list.join(',')}`];
}

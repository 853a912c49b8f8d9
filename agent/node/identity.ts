import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { errnoOf, hasCode, messageOf, WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { writeFileAtomic } from '../../base/record.ts';
import type { Config } from '../config/schema.ts';
import { createCredentialSource, type Credentials } from '../kube/auth.ts';
import { sleep } from '../kube/backoff.ts';
import { createKubeClient } from '../kube/http-client.ts';
import {
  certificateAuthorityOf,
  inClusterConfig,
  loadKubeConfig,
  type KubeCluster,
  type KubeConfig,
} from '../kube/kubeconfig.ts';
import { generateKeyPem, requestNodeCertificate } from './csr.ts';

export type IdentityConfig = Pick<Config, 'nodeName' | 'rootDir' | 'kubeconfig' | 'bootstrapKubeconfig'>;

const RETRY_MS = 5000;

/** Certificate and key of the node, one file (as the kubelet keeps kubelet-client-current.pem). */
export const clientCertificateFile = (config: IdentityConfig): string =>
  join(config.rootDir, 'pki/wasmlet-client-current.pem');

/**
 * The kubeconfig that the agent is to use: the configured one, else <rootDir>/kubeconfig with the certificate that was
 * obtained before, else one that is obtained now with the bootstrap credentials (pkg/kubelet/certificate/bootstrap).
 * @returns its path
 * @throws WasmletError InvalidConfig when there is neither an identity nor a way to get one; Cancelled
 */
export async function obtainIdentity(config: IdentityConfig, logger: Logger, signal: AbortSignal): Promise<string> {
  const file = config.kubeconfig || join(config.rootDir, 'kubeconfig');
  const present = existsSync(file);
  const why = present ? await whyUnusable(file, config, logger) : 'it does not exist';
  if (why === undefined) return file;

  const bootstrap = bootstrapConfig(config);
  if (!bootstrap) {
    throw new WasmletError(
      'InvalidConfig',
      `no identity for node ${config.nodeName}: kubeconfig ${file}: ${why}, and there is nothing to obtain one with; ` +
        `set kubeconfig to credentials of system:node:${config.nodeName}, or bootstrapKubeconfig to credentials that may ` +
        'create certificate signing requests, or run in a pod whose service account may',
    );
  }
  logger.info('the node certificate will be requested', { kubeconfig: file, because: why });
  await bootstrapCertificate(config, bootstrap, logger, signal);
  await writeNodeKubeconfig(file, bootstrap.cluster, clientCertificateFile(config));
  return file;
}

const readCredentials = async (file: string): Promise<Credentials> =>
  createCredentialSource(loadKubeConfig(file)).read();

/** Why a kubeconfig that exists cannot be this node's identity; undefined: it can. @throws WasmletError InvalidConfig */
async function whyUnusable(file: string, config: IdentityConfig, logger: Logger): Promise<string | undefined> {
  const credentials = await readCredentials(file).catch((error: unknown) => {
    // With a way to get another, a certificate that is missing or damaged is no reason to give up.
    if (config.kubeconfig === '' || config.bootstrapKubeconfig !== '') return undefined;
    throw error;
  });
  if (!credentials) return 'its credentials cannot be read';
  const { cert } = credentials.tls;
  // Tokens and exec plugins of a configured kubeconfig are the user's affair.
  if (cert === undefined) return config.kubeconfig === '' ? 'it holds no client certificate' : undefined;
  const certificate = new X509Certificate(cert);
  if (Date.parse(certificate.validTo) <= Date.now()) return `its certificate expired at ${certificate.validTo}`;
  checkSubject(certificate, file, config, logger);
  return undefined;
}

function checkSubject(certificate: X509Certificate, file: string, { nodeName }: IdentityConfig, logger: Logger): void {
  const user = /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? '';
  if (user === `system:node:${nodeName}`) return;
  if (user.startsWith('system:node:')) {
    throw new WasmletError(
      'InvalidConfig',
      `kubeconfig ${file} is the identity of ${user}, but nodeName is ${nodeName}: make them agree`,
    );
  }
  logger.warn('the credentials are not those of a node; NodeRestriction does not hold this agent in', { user });
}

const bootstrapConfig = ({ bootstrapKubeconfig }: IdentityConfig): KubeConfig | undefined =>
  bootstrapKubeconfig === '' ? inClusterConfig() : loadKubeConfig(bootstrapKubeconfig);

/** Obtains the certificate, as often as it takes, and stores it with its key. */
async function bootstrapCertificate(
  config: IdentityConfig,
  bootstrap: KubeConfig,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const file = clientCertificateFile(config);
  const keyFile = join(dirname(file), 'wasmlet-client.key.tmp');
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await using client = createKubeClient({ kubeConfig: bootstrap, qps: 5, burst: 10, logger });
  for (;;) {
    const keyPem = await keepKey(keyFile);
    try {
      const certificate = await requestNodeCertificate(client, { keyPem, nodeName: config.nodeName }, logger, signal);
      await writeFileAtomic(file, certificate.trimEnd() + '\n' + keyPem);
      await rm(keyFile, { force: true });
      return;
    } catch (error) {
      if (hasCode(error, 'Cancelled')) throw error;
      // A request that was denied stays denied: the next one is for another key.
      if (hasCode(error, 'FailedPrecondition')) await rm(keyFile, { force: true });
      logger.error('the node certificate could not be obtained, will try again', { error: messageOf(error) });
      if (!(await sleep(RETRY_MS, signal))) {
        throw new WasmletError('Cancelled', 'the agent ended before it had its certificate', { cause: error });
      }
    }
  }
}

/** The key of the request under way; kept until its certificate is here, so that a restart goes on with it. */
async function keepKey(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    const key = generateKeyPem();
    await writeFileAtomic(file, key);
    return key;
  }
}

async function writeNodeKubeconfig(file: string, cluster: KubeCluster, certificateFile: string): Promise<void> {
  const certificateAuthority = certificateAuthorityOf(cluster);
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'default-cluster',
        cluster: {
          server: cluster.server,
          ...(certificateAuthority === ''
            ? {}
            : { 'certificate-authority-data': Buffer.from(certificateAuthority).toString('base64') }),
          ...(cluster.insecureSkipTLSVerify ? { 'insecure-skip-tls-verify': true } : {}),
          ...(cluster.tlsServerName ? { 'tls-server-name': cluster.tlsServerName } : {}),
        },
      },
    ],
    users: [{ name: 'default-auth', user: { 'client-certificate': certificateFile, 'client-key': certificateFile } }],
    contexts: [{ name: 'default-context', context: { cluster: 'default-cluster', user: 'default-auth' } }],
    'current-context': 'default-context',
  };
  await mkdir(dirname(file), { recursive: true });
  await writeFileAtomic(file, stringify(kubeconfig));
}

import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { dirname, join } from 'node:path';
import { ignoreMissing, messageOf, WasmletError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { writeFileAtomic } from '../../../base/record.ts';
import type { Config } from '../../config/schema.ts';

/** A certificate chain and its private key, PEM. */
export interface ServingCertificate {
  readonly cert: string;
  readonly key: string;
}

export type ServingCertificateConfig = Pick<Config, 'rootDir' | 'tlsCertFile' | 'tlsPrivateKeyFile'>;

/** What a self-signed certificate is made for. */
export interface ServingNames {
  readonly nodeName: string;
  readonly addresses: readonly string[];
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
/** As long as the kubelet's own (client-go/util/cert, GenerateSelfSignedCertKey). */
const VALID_MS = 365 * DAY_MS;
const CLOCK_SKEW_MS = 3_600_000;
/** A node that runs on gets its next certificate before clients see the last one expire. */
const RENEW_BEFORE_MS = 30 * DAY_MS;

/**
 * The certificate that the node's API shows: the configured files as they are now, else the self-signed pair in
 * <rootDir>/pki, which is made when it is missing, damaged, about to expire, or not for these names.
 * @throws WasmletError InvalidConfig when the configured files cannot be used
 */
export async function servingCertificate(
  config: ServingCertificateConfig,
  names: ServingNames,
  logger: Logger,
): Promise<ServingCertificate> {
  if (config.tlsCertFile !== '' || config.tlsPrivateKeyFile !== '') return await configured(config);
  const certFile = join(config.rootDir, 'pki/wasmlet.crt');
  const keyFile = join(config.rootDir, 'pki/wasmlet.key');
  const kept = await readPair(certFile, keyFile);
  if (kept && isGood(kept, names)) return kept;
  const made = await selfSigned(names, new Date());
  await mkdir(dirname(certFile), { recursive: true, mode: 0o700 });
  await writeFileAtomic(keyFile, made.key);
  await writeFileAtomic(certFile, made.cert, { mode: 0o644 });
  logger.info('made a self-signed serving certificate', { file: certFile, ...names });
  return made;
}

async function configured({ tlsCertFile, tlsPrivateKeyFile }: ServingCertificateConfig): Promise<ServingCertificate> {
  try {
    const [cert, key] = await Promise.all([readFile(tlsCertFile, 'utf8'), readFile(tlsPrivateKeyFile, 'utf8')]);
    return { cert, key };
  } catch (cause) {
    const message = `tlsCertFile and tlsPrivateKeyFile must both name PEM files: ${messageOf(cause)}`;
    throw new WasmletError('InvalidConfig', message, { cause });
  }
}

async function readPair(certFile: string, keyFile: string): Promise<ServingCertificate | undefined> {
  const read = [certFile, keyFile].map((file) => readFile(file, 'utf8').catch(ignoreMissing));
  const [cert, key] = await Promise.all(read);
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

function isGood({ cert, key }: ServingCertificate, { nodeName, addresses }: ServingNames): boolean {
  try {
    const certificate = new X509Certificate(cert);
    return (
      certificate.validToDate.getTime() - RENEW_BEFORE_MS > Date.now() &&
      certificate.checkPrivateKey(createPrivateKey(key)) &&
      certificate.checkHost(nodeName) !== undefined &&
      addresses.every((address) => certificate.checkIP(address) !== undefined)
    );
  } catch {
    return false;
  }
}

/** Makes a self-signed certificate for servers. */
export async function selfSigned(names: ServingNames, now: Date): Promise<ServingCertificate> {
  // Needed once a year: a node that has its certificate does not load the library.
  const x509 = await import('../../../base/x509.ts');
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: [{ CN: [`${names.nodeName}@${Math.floor(now.getTime() / 1000)}`] }],
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: new Date(now.getTime() - CLOCK_SKEW_MS),
      notAfter: new Date(now.getTime() + VALID_MS),
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: names.nodeName },
          ...names.addresses.filter(isIP).map((value) => ({ type: 'ip' as const, value })),
        ]),
      ],
    },
    webcrypto,
  );
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: `${certificate.toString('pem')}\n`, key: `${x509.PemConverter.encode(key, 'PRIVATE KEY')}\n` };
}

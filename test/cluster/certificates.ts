import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import * as x509 from '../../base/x509.ts';

/** A certificate and its private key, PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate authority of the test cluster. */
export interface Authority extends KeyPair {
  /** Signs a client certificate: `name` is the user, `groups` the groups, as Kubernetes reads a subject. */
  client(name: string, groups?: readonly string[]): Promise<KeyPair>;
  /** Signs a server certificate for DNS names and IP addresses. */
  server(name: string, addresses: { dns: readonly string[]; ip: readonly string[] }): Promise<KeyPair>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
/** A test cluster that is left up over a holiday still works; and clocks may differ a little. */
const VALID_DAYS = 30;
const CLOCK_SKEW_MS = 60_000;

function validity(): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - CLOCK_SKEW_MS), notAfter: new Date(Date.now() + VALID_DAYS * DAY_MS) };
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function pemOfKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

/** Makes a self-signed authority with a new key. */
export async function createAuthority(name: string): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: ALGORITHM,
    ...validity(),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return authorityOf(certificate, keys.privateKey, await pemOfKey(keys.privateKey));
}

/** The authority whose certificate and key were kept as PEM. */
export async function loadAuthority({ certificate, key }: KeyPair): Promise<Authority> {
  const der = x509.PemConverter.decodeFirst(key);
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, true, ['sign']);
  return authorityOf(new x509.X509Certificate(certificate), privateKey, key);
}

function authorityOf(issuer: x509.X509Certificate, signingKey: webcrypto.CryptoKey, key: string): Authority {
  const sign = async (subject: x509.JsonName, extensions: x509.Extension[]): Promise<KeyPair> => {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      subject,
      issuer: issuer.subject,
      publicKey: keys.publicKey,
      signingKey,
      signingAlgorithm: ALGORITHM,
      ...validity(),
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
        ...extensions,
      ],
    });
    return { certificate: certificate.toString('pem'), key: await pemOfKey(keys.privateKey) };
  };
  return {
    certificate: issuer.toString('pem'),
    key,
    client: (name, groups = []) =>
      sign(
        [...groups.map((group) => ({ O: [group] })), { CN: [name] }],
        [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])],
      ),
    server: (name, { dns, ip }) =>
      sign(
        [{ CN: [name] }],
        [
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
          new x509.SubjectAlternativeNameExtension([
            ...dns.map((value) => ({ type: 'dns' as const, value })),
            ...ip.map((value) => ({ type: 'ip' as const, value })),
          ]),
        ],
      ),
  };
}

/** A key pair for service account tokens, PEM. */
export function createTokenKeys(): { publicKey: string; privateKey: string } {
  return generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
}

/** Writes `<path>.crt` and `<path>.key`. */
export async function writeKeyPair(path: string, pair: KeyPair): Promise<{ certificate: string; key: string }> {
  const files = { certificate: `${path}.crt`, key: `${path}.key` };
  await Promise.all([writeFile(files.certificate, pair.certificate), writeFile(files.key, pair.key, { mode: 0o600 })]);
  return files;
}

import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoreMissing } from '../../../base/errors.ts';
import { writeFileAtomic } from '../../../base/record.ts';
import type { KeyPair, Subject } from './authority.ts';

/** All keys of one local API server; made at the first start, kept in its folder, renewed before they expire. */
export interface Pki {
  readonly authority: KeyPair;
  readonly server: KeyPair;
  /** Its user may do everything. */
  readonly admin: KeyPair;
  readonly node: KeyPair;
  /** With which the API server comes to the node. */
  readonly nodeClient: KeyPair;
  /** Signs the tokens of service accounts, PEM. */
  readonly tokenKey: string;
}

/** A certificate is made anew this long before it expires: at the next start. */
const RENEW_MS = 30 * 86_400_000;
const MASTERS = 'system:masters';

/** @param folder it is made, for its owner alone @throws a system error when it cannot be used */
export async function loadPki(folder: string, nodeName: string): Promise<Pki> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const authority = (await readPair(folder, 'ca')) ?? (await makeAuthority(folder));
  const leaf = (name: string, subject: Subject) => loadLeaf(folder, name, { authority, subject });
  const user = (name: string, group: string) => ({ user: name, groups: [group] });
  return {
    authority,
    server: await leaf('server', { server: 'wasmlet', dns: ['localhost'], ip: ['127.0.0.1', '::1'] }),
    admin: await leaf('admin', user('admin', MASTERS)),
    node: await leaf('node', user(`system:node:${nodeName}`, 'system:nodes')),
    nodeClient: await leaf('node-client', user('kube-apiserver-kubelet-client', MASTERS)),
    tokenKey: await loadTokenKey(join(folder, 'tokens.key')),
  };
}

const readText = (file: string): Promise<string | undefined> => readFile(file, 'utf8').catch(ignoreMissing);

async function readPair(folder: string, name: string): Promise<KeyPair | undefined> {
  const [certificate, key] = await Promise.all(['crt', 'key'].map((end) => readText(join(folder, `${name}.${end}`))));
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}

/** The key first: a certificate without its key is made anew. */
async function writePair(folder: string, name: string, pair: KeyPair): Promise<KeyPair> {
  await writeFileAtomic(join(folder, `${name}.key`), pair.key);
  await writeFileAtomic(join(folder, `${name}.crt`), pair.certificate, { mode: 0o644 });
  return pair;
}

async function makeAuthority(folder: string): Promise<KeyPair> {
  const { createAuthority } = await import('./authority.ts');
  return writePair(folder, 'ca', await createAuthority('wasmlet-ca'));
}

async function loadLeaf(
  folder: string,
  name: string,
  { authority, subject }: { authority: KeyPair; subject: Subject },
): Promise<KeyPair> {
  const present = await readPair(folder, name);
  if (present && isGood(present, authority, subject)) return present;
  // The library that signs is large: only the first start loads it.
  const { signCertificate } = await import('./authority.ts');
  return writePair(folder, name, await signCertificate(authority, subject));
}

function isGood({ certificate, key }: KeyPair, authority: KeyPair, subject: Subject): boolean {
  const parsed = new X509Certificate(certificate);
  const name = 'user' in subject ? subject.user : subject.server;
  return (
    key !== '' &&
    Date.parse(parsed.validTo) - Date.now() > RENEW_MS &&
    parsed.subject.split('\n').includes(`CN=${name}`) &&
    parsed.verify(new X509Certificate(authority.certificate).publicKey)
  );
}

async function loadTokenKey(file: string): Promise<string> {
  const present = await readText(file);
  if (present !== undefined) return present;
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  await writeFileAtomic(file, privateKey);
  return privateKey;
}

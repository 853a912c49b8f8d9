import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { createBackoff } from '../kube/backoff.ts';
import { KubeApiError, type KubeClient } from '../kube/client.ts';
import type { CertificateSigningRequest } from '../kube/types.ts';

/** The signer whose requests the controller manager approves for a requester with the `nodeclient` right. */
const SIGNER = 'kubernetes.io/kube-apiserver-client-kubelet';
const CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
/** What the signer allows for keys that are not RSA. */
const USAGES = ['digital signature', 'client auth'];
const POLL = { initialMs: 250, maxMs: 10_000, jitter: 0.2, factor: 1.5 };

/** A new private key (EC P-256), PKCS #8 PEM. */
export function generateKeyPem(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' });
}

/**
 * A certificate request for a node's identity, PEM: O=system:nodes, CN=system:node:NAME (RFC 2986, PKCS #10). Written
 * out by hand, for it is one fixed form, and a library for all forms costs the agent megabytes for its whole life.
 */
export function nodeCertificateRequest(keyPem: string, nodeName: string): string {
  const key = createPrivateKey(keyPem);
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const subject = der(
    SEQUENCE,
    attribute(OID.organization, der(UTF8_STRING, Buffer.from('system:nodes'))),
    attribute(OID.commonName, der(UTF8_STRING, Buffer.from(`system:node:${nodeName}`))),
  );
  const info = der(SEQUENCE, der(INTEGER, Buffer.from([0])), subject, publicKey, der(CONTEXT_0));
  const signature = sign('sha256', info, key);
  const algorithm = der(SEQUENCE, der(OBJECT_IDENTIFIER, OID.ecdsaWithSha256));
  const request = der(SEQUENCE, info, algorithm, der(BIT_STRING, Buffer.from([0]), signature));
  const lines = request.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE REQUEST-----\n${lines.join('\n')}\n-----END CERTIFICATE REQUEST-----\n`;
}

// Tags of X.690, and the object identifiers above, encoded.
const [INTEGER, BIT_STRING, OBJECT_IDENTIFIER, UTF8_STRING, SEQUENCE, SET, CONTEXT_0] = [
  0x02, 0x03, 0x06, 0x0c, 0x30, 0x31, 0xa0,
] as const;
const OID = {
  /** 2.5.4.10 */
  organization: Buffer.from('55040a', 'hex'),
  /** 2.5.4.3 */
  commonName: Buffer.from('550403', 'hex'),
  /** 1.2.840.10045.4.3.2 */
  ecdsaWithSha256: Buffer.from('2a8648ce3d040302', 'hex'),
};

const attribute = (oid: Buffer, value: Buffer): Buffer => der(SET, der(SEQUENCE, der(OBJECT_IDENTIFIER, oid), value));

/** One element: tag, length, content. */
function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  const hex = body.length.toString(16);
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
  const length = body.length < 0x80 ? Buffer.from([body.length]) : Buffer.from([0x80 | bytes.length, ...bytes]);
  return Buffer.concat([Buffer.from([tag]), length, body]);
}

/**
 * Name of the request: the same for the same key and node, so that an agent that was restarted while it waited finds
 * its request again instead of making another (pkg/kubelet/certificate/bootstrap, digestedName).
 */
export function requestName(keyPem: string, nodeName: string): string {
  const spki = createPublicKey(createPrivateKey(keyPem)).export({ type: 'spki', format: 'der' });
  return `node-csr-${createHash('sha256').update(spki).update(nodeName).digest('hex')}`;
}

/**
 * Obtains the node's client certificate: creates a CertificateSigningRequest and waits until it is signed. It is read
 * by `get` alone, time and again, so that the bootstrap identity needs neither list nor watch.
 * @returns the certificate chain, PEM
 * @throws WasmletError FailedPrecondition when the request was denied or failed; Cancelled
 */
export async function requestNodeCertificate(
  client: KubeClient,
  identity: { readonly keyPem: string; readonly nodeName: string },
  logger: Logger,
  signal: AbortSignal,
): Promise<string> {
  const name = requestName(identity.keyPem, identity.nodeName);
  const pem = nodeCertificateRequest(identity.keyPem, identity.nodeName);
  await createRequest(client, name, pem, signal);
  logger.info('waiting for the node certificate to be approved and signed', {
    name,
    hint: `kubectl certificate approve ${name}`,
  });
  const backoff = createBackoff(POLL);
  do {
    const certificate = issued(await client.get<CertificateSigningRequest>(`${CSRS}/${name}`, { signal }));
    if (certificate !== undefined) return certificate;
  } while (await backoff.wait(signal));
  throw new WasmletError('Cancelled', `the wait for CertificateSigningRequest ${name} was given up`);
}

async function createRequest(client: KubeClient, name: string, pem: string, signal: AbortSignal): Promise<void> {
  const request: CertificateSigningRequest = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: { request: Buffer.from(pem).toString('base64'), signerName: SIGNER, usages: USAGES },
  };
  try {
    await client.create(CSRS, request, { signal });
  } catch (error) {
    if (!(error instanceof KubeApiError && error.reason === 'AlreadyExists')) throw error;
  }
}

/** The certificate in a request, if it has one by now. @throws WasmletError FailedPrecondition */
function issued({ metadata, status }: CertificateSigningRequest): string | undefined {
  for (const { type, reason, message } of status?.conditions ?? []) {
    if (type !== 'Denied' && type !== 'Failed') continue;
    throw new WasmletError(
      'FailedPrecondition',
      `CertificateSigningRequest ${metadata?.name ?? ''} was ${type.toLowerCase()}: ${reason ?? ''} ${message ?? ''}`.trim(),
    );
  }
  const certificate = status?.certificate;
  return certificate === undefined || certificate === '' ? undefined : Buffer.from(certificate, 'base64').toString();
}

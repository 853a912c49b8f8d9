import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import { KubeApiError, type KubeClient } from '../kube/client.ts';
import type { CertificateSigningRequest } from '../kube/types.ts';
import { generateKeyPem, nodeCertificateRequest, requestName, requestNodeCertificate } from './csr.ts';

test('the request is well-formed, signed by its key and names the node', () => {
  const pem = nodeCertificateRequest(generateKeyPem(), 'worker-1');
  // openssl is the judge of our encoding; it exits with an error when the signature does not verify.
  const text = execFileSync('openssl', ['req', '-verify', '-noout', '-text'], { input: pem, encoding: 'utf8' });
  expect(text).toMatch(/Subject: O ?= ?system:nodes, CN ?= ?system:node:worker-1/);
  expect(text).toContain('ecdsa-with-SHA256');
});

test('a long node name is encoded as well', () => {
  const pem = nodeCertificateRequest(generateKeyPem(), 'a'.repeat(240));
  const text = execFileSync('openssl', ['req', '-verify', '-noout', '-subject'], { input: pem, encoding: 'utf8' });
  expect(text).toContain('a'.repeat(240));
});

test('the name of a request follows from key and node', () => {
  const key = generateKeyPem();
  expect(requestName(key, 'a')).toBe(requestName(key, 'a'));
  expect(requestName(key, 'a')).not.toBe(requestName(key, 'b'));
  expect(requestName(key, 'a')).not.toBe(requestName(generateKeyPem(), 'a'));
  expect(requestName(key, 'a')).toMatch(/^node-csr-[0-9a-f]{64}$/);
});

/** The two calls of a bootstrap identity: create, and get with each of the answers in turn. */
function fakeClient(answers: CertificateSigningRequest['status'][], exists = false): KubeClient {
  let request: CertificateSigningRequest | undefined;
  return {
    create: (_path: string, body: CertificateSigningRequest) => {
      request = body;
      return exists ? Promise.reject(new KubeApiError(409, 'AlreadyExists', 'exists')) : Promise.resolve(body);
    },
    get: () => Promise.resolve({ ...request, status: answers.length > 1 ? answers.shift() : answers[0] }),
  } as unknown as KubeClient;
}

const identity = { keyPem: generateKeyPem(), nodeName: 'n' };
const signal = new AbortController().signal;

test('the certificate is waited for until it is signed', async () => {
  const signed = { conditions: [], certificate: Buffer.from('PEM').toString('base64') };
  const client = fakeClient([undefined, { conditions: [] }, signed]);
  expect(await requestNodeCertificate(client, identity, silentLogger, signal)).toBe('PEM');
});

test('a request that was made before a restart is taken up again', async () => {
  const client = fakeClient([{ certificate: Buffer.from('PEM').toString('base64') }], true);
  expect(await requestNodeCertificate(client, identity, silentLogger, signal)).toBe('PEM');
});

test('a denied request is told with its reason', async () => {
  const client = fakeClient([{ conditions: [{ type: 'Denied', status: 'True', reason: 'No', message: 'not you' }] }]);
  await expect(requestNodeCertificate(client, identity, silentLogger, signal)).rejects.toMatchObject({
    code: 'FailedPrecondition',
    message: expect.stringMatching(/was denied: No not you$/) as string,
  });
});

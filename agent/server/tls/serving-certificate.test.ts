import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { selfSigned, servingCertificate } from './serving-certificate.ts';

const names = { nodeName: 'node-a', addresses: ['192.0.2.1', '2001:db8::1'] };
let rootDir: string;
beforeEach(async () => {
  rootDir = await mkdtemp(join(tmpdir(), 'wasmlet-pki-'));
});
afterEach(() => rm(rootDir, { recursive: true }));
const load = (wanted = names) =>
  servingCertificate({ rootDir, tlsCertFile: '', tlsPrivateKeyFile: '' }, wanted, silentLogger);

test('a self-signed certificate is made for the name and the addresses and kept', async () => {
  const made = await load();
  const certificate = new X509Certificate(made.cert);
  expect(certificate.subjectAltName).toBe('DNS:node-a, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1');
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect((await stat(join(rootDir, 'pki/wasmlet.key'))).mode & 0o777).toBe(0o600);
  expect(await load()).toEqual(made);
});

test('another is made for another address, when the kept one is about to expire, and when it is damaged', async () => {
  const first = await load();
  const second = await load({ ...names, addresses: ['192.0.2.2'] });
  expect(second.cert).not.toBe(first.cert);
  const old = await selfSigned(names, new Date(Date.now() - 360 * 86_400_000));
  await writeFile(join(rootDir, 'pki/wasmlet.crt'), old.cert);
  await writeFile(join(rootDir, 'pki/wasmlet.key'), old.key);
  const renewed = await load();
  expect(renewed.cert).not.toBe(old.cert);
  await writeFile(join(rootDir, 'pki/wasmlet.crt'), 'torn');
  expect(new X509Certificate((await load()).cert).validToDate.getTime()).toBeGreaterThan(Date.now());
});

test('configured files are used as they are, and must be there', async () => {
  const { cert, key } = await selfSigned(names, new Date());
  const files = { rootDir, tlsCertFile: join(rootDir, 'a.crt'), tlsPrivateKeyFile: join(rootDir, 'a.key') };
  await expect(servingCertificate(files, names, silentLogger)).rejects.toMatchObject({ code: 'InvalidConfig' });
  await writeFile(files.tlsCertFile, cert);
  await writeFile(files.tlsPrivateKeyFile, key);
  expect(await servingCertificate(files, names, silentLogger)).toEqual({ cert, key });
});

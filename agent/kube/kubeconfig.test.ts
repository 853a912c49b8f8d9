import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { createCredentialSource } from './auth.ts';
import { inClusterConfig, loadKubeConfig } from './kubeconfig.ts';

const folder = mkdtempSync(join(tmpdir(), 'wasmlet-kubeconfig-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** A kubeconfig file with one cluster and one user. */
function kubeconfig(cluster: object, user: object): string {
  return write(
    'config',
    stringify({
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      clusters: [
        { name: 'other', cluster: { server: 'https://other' } },
        { name: 'c', cluster },
      ],
      users: [{ name: 'u', user }],
    }),
  );
}

const base64 = (text: string) => Buffer.from(text).toString('base64');
const credentialsOf = (user: object, cluster: object = {}) =>
  createCredentialSource(loadKubeConfig(kubeconfig({ server: 'https://a:6443', ...cluster }, user)));

describe('a kubeconfig', () => {
  test('gives the certificate, key and authorities that stand in it', async () => {
    const source = credentialsOf(
      { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') },
      { 'certificate-authority-data': base64('CA'), 'tls-server-name': 'api' },
    );
    expect(source.dynamic).toBe(false);
    expect(await source.read()).toEqual({
      tls: { ca: 'CA', cert: 'CERT', key: 'KEY', servername: 'api', rejectUnauthorized: true },
      headers: {},
    });
  });

  test('may name files, relative to itself', async () => {
    write('ca.crt', 'CA');
    write('node.pem', 'PEM');
    const source = credentialsOf(
      { 'client-certificate': 'node.pem', 'client-key': join(folder, 'node.pem') },
      { 'certificate-authority': './ca.crt' },
    );
    expect((await source.read()).tls).toMatchObject({ ca: 'CA', cert: 'PEM', key: 'PEM' });
  });

  test('a token file is read anew each time and stands before a token', async () => {
    write('token', 'one\n');
    const source = credentialsOf({ token: 'fixed', tokenFile: 'token' });
    expect(source.dynamic).toBe(true);
    expect((await source.read()).headers).toEqual({ authorization: 'Bearer one' });
    write('token', 'two\n');
    expect((await source.read()).headers).toEqual({ authorization: 'Bearer two' });
  });

  test('user name and password make basic authentication', async () => {
    const { headers } = await credentialsOf({ username: 'a', password: 'b' }).read();
    expect(headers).toEqual({ authorization: `Basic ${base64('a:b')}` });
  });

  test('an exec plugin is asked once until its answer expires', async () => {
    const count = join(folder, 'count');
    const plugin = write(
      'plugin',
      `#!/bin/sh
echo x >> ${count}
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s-%s","expirationTimestamp":"%s"}}' \
  "$GREETING" "$(wc -l < ${count} | tr -d ' ')" "$EXPIRES"
`,
    );
    chmodSync(plugin, 0o755);
    const ask = (expires: string) =>
      credentialsOf({
        exec: {
          apiVersion: 'client.authentication.k8s.io/v1',
          command: './plugin',
          env: [
            { name: 'GREETING', value: 'hi' },
            { name: 'EXPIRES', value: expires },
          ],
        },
      });
    const lasting = ask('2999-01-01T00:00:00Z');
    expect(lasting.dynamic).toBe(true);
    expect((await lasting.read()).headers).toEqual({ authorization: 'Bearer hi-1' });
    expect((await lasting.read()).headers).toEqual({ authorization: 'Bearer hi-1' });
    const expired = ask('2000-01-01T00:00:00Z');
    expect((await expired.read()).headers).toEqual({ authorization: 'Bearer hi-2' });
    expect((await expired.read()).headers).toEqual({ authorization: 'Bearer hi-3' });
  });

  test.each([
    ['apiVersion: v1\nkind: Config\n', /current-context/],
    ['current-context: x\ncontexts: []\nclusters: []\n', /it has no context "x"/],
    [
      'current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: []\nusers: null\n',
      /it has no cluster "c"/,
    ],
    ['a: [', /broken cannot be used/],
    ['garbage', /broken cannot be used: Invalid input: expected object, received string$/],
  ])('that lacks what its context needs is refused with what is missing: %j', (content, message) => {
    const file = write('broken', content);
    expect(() => loadKubeConfig(file)).toThrow(message);
    expect(() => loadKubeConfig(file)).toThrow(file);
  });

  test('a missing file is named', async () => {
    expect(() => loadKubeConfig(join(folder, 'absent'))).toThrow(/absent cannot be used: ENOENT/);
    await expect(credentialsOf({ 'client-key': 'gone.pem' }).read()).rejects.toMatchObject({
      code: 'InvalidConfig',
      message: expect.stringContaining('gone.pem') as string,
    });
  });
});

describe('in a cluster', () => {
  test("the pod's service account is used", async () => {
    write('token', 'sa\n');
    write('ca.crt', 'CA');
    const config = inClusterConfig({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }, folder);
    expect(config?.cluster.server).toBe('https://[fd00::1]:443');
    expect(config && (await createCredentialSource(config).read())).toMatchObject({
      tls: { ca: 'CA' },
      headers: { authorization: 'Bearer sa' },
    });
  });

  test('elsewhere there is none', () => {
    expect(inClusterConfig({}, folder)).toBeUndefined();
  });
});

import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { credentialsFor } from './docker-config.ts';
import { dockerCliConfigs } from './docker-cli-config.ts';

const REGISTRY = 'registry.example:5000';
const IMAGE = `${REGISTRY}/org/app`;
const ANN = { username: 'ann', password: 'secret' };
const auth = Buffer.from('ann:secret').toString('base64');

/** A folder of a Docker config, with credential helpers that answer so, first in PATH. */
async function dockerFolder(config: object, helpers: Readonly<Record<string, string>> = {}) {
  const folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-docker-'));
  await writeFile(join(folder.path, 'config.json'), JSON.stringify(config));
  for (const [name, script] of Object.entries(helpers)) {
    await writeFile(join(folder.path, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const env = { DOCKER_CONFIG: folder.path, PATH: `${folder.path}:${process.env['PATH'] ?? ''}` };
  const credentials = async (image = IMAGE, domain = REGISTRY) =>
    credentialsFor(await dockerCliConfigs(domain, env), image);
  return { credentials, [Symbol.asyncDispose]: () => folder.remove() };
}

const answers = (username: string, secret: string): string =>
  `read server; echo "{\\"ServerURL\\":\\"$server\\",\\"Username\\":\\"${username}\\",\\"Secret\\":\\"${secret}\\"}"`;

test('what the file itself has is used', async () => {
  await using docker = await dockerFolder({ auths: { [REGISTRY]: { auth }, 'other.example': { auth } } });
  expect(await docker.credentials()).toEqual([ANN]);
});

test('a helper that is named for the registry goes first', async () => {
  await using docker = await dockerFolder(
    { auths: { [REGISTRY]: { auth } }, credHelpers: { [REGISTRY]: 'own' }, credsStore: 'store' },
    { own: answers('bob', 'pw'), store: 'exit 9' },
  );
  expect(await docker.credentials()).toEqual([{ username: 'bob', password: 'pw' }, ANN]);
});

test('the default helper is asked for the address that Docker knows the registry by, and may give a token', async () => {
  await using docker = await dockerFolder(
    { auths: { [REGISTRY]: {} }, credsStore: 'store' },
    { store: `read server; echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"$server\\"}"` },
  );
  expect(await docker.credentials()).toEqual([{ identityToken: REGISTRY }]);
  expect(await docker.credentials('docker.io/library/app', 'docker.io')).toEqual([
    { identityToken: 'https://index.docker.io/v1/' },
  ]);
});

test('a helper without credentials is no failure', async () => {
  await using docker = await dockerFolder(
    { credsStore: 'store' },
    { store: 'cat >/dev/null; echo "credentials not found in native keychain"; exit 1' },
  );
  expect(await docker.credentials()).toEqual([]);
});

test.each([
  ['that fails', 'cat >/dev/null; echo "no key chain"; exit 1', 'no key chain'],
  ['that answers nonsense', 'cat >/dev/null; echo hello', 'not of the form expected'],
])('a helper %s is told of, and what it said', async (_, script, message) => {
  await using docker = await dockerFolder({ credsStore: 'store' }, { store: script });
  await expect(docker.credentials()).rejects.toMatchObject({
    code: 'FailedPrecondition',
    message: expect.stringMatching(new RegExp(`docker-credential-store .* ${REGISTRY}: .*${message}`)) as string,
  });
});

test('a helper that is not installed is told of', async () => {
  await using docker = await dockerFolder({ credHelpers: { [REGISTRY]: 'absent' } });
  await expect(docker.credentials()).rejects.toMatchObject({
    message: expect.stringContaining('docker-credential-absent') as string,
  });
});

test('without a config there are no credentials', async () => {
  expect(await dockerCliConfigs(REGISTRY, { DOCKER_CONFIG: join(tmpdir(), 'wasmlet-no-such-folder') })).toEqual([]);
});

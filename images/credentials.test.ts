import { describe, expect, test } from 'vitest';
import { digestOf, FakeRegistry, MODULE, wasmLayer, type Fault } from './testing/fake-registry.ts';
import { ServiceFixture } from './testing/image-service.ts';

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** Lets in only requests with one of these Authorization headers; challenges the others. */
function guarded(challenge: string, ...allowed: readonly string[]): Fault {
  return ({ path, headers }, response) => {
    if (!path.startsWith('/v2/') || allowed.includes(headers.authorization ?? '')) return false;
    response.writeHead(401, { 'www-authenticate': challenge });
    response.end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
    return true;
  };
}

describe('a registry with basic authentication', () => {
  test('is given the credentials of its host, and the next ones when it refuses the first', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('team/app', '1', [wasmLayer()]);
    registry.fault = guarded('Basic realm="x"', basic('right', 'p'));
    await fixture.pull(
      `${registry.host}/team/app:1`,
      { [registry.host]: { username: 'right', password: 'p' } },
      {
        [`${registry.host}/team`]: { username: 'wrong', password: 'p' },
        'other.example.com': { username: 'o', password: 'p' },
      },
    );
    const sent = [...new Set(registry.seen.map(({ headers }) => headers.authorization))];
    expect(sent).toEqual([undefined, basic('wrong', 'p'), basic('right', 'p')]);
  });

  test('that wants none is not sent any', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [wasmLayer()]);
    await fixture.pull(`${registry.host}/app:1`, { [registry.host]: { username: 'u', password: 'p' } });
    expect(registry.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  test('tells one without a secret what to do', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.fault = guarded('Basic realm="x"');
    const reference = `${registry.host}/app:1`;
    await expect(fixture.pull(reference)).rejects.toMatchObject({
      code: 'ErrImagePull',
      message:
        `failed to pull and unpack image "${reference}": failed to resolve reference "${reference}": ` +
        'pull access denied, repository does not exist or may require authorization: ' +
        `unexpected status from GET request to http://${registry.host}/v2/app/manifests/1: 401 Unauthorized: ` +
        'server message: UNAUTHORIZED: authentication required; ' +
        `if it is private, name a pull secret for ${registry.host} in the pod's imagePullSecrets`,
    });
  });

  test('does not give a stored image to one who has no access', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [wasmLayer()]);
    registry.fault = guarded('Basic realm="x"', basic('u', 'p'));
    await fixture.pull(`${registry.host}/app:1`, { [registry.host]: { username: 'u', password: 'p' } });
    await expect(fixture.pull(`${registry.host}/app:1`)).rejects.toThrow(/HEAD request to .*: 401 Unauthorized/);
  });
});

test('an image that is not there is not found', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await ServiceFixture.start();
  await expect(fixture.pull(`${registry.host}/app:1`)).rejects.toThrow(
    `failed to resolve reference "${registry.host}/app:1": ${registry.host}/app:1: not found`,
  );
});

describe('a registry with a token realm', () => {
  /** A registry that takes the token 'T' alone, and a realm of another origin that gives it. */
  async function withRealm(
    realmFault: Fault,
    use: (registry: FakeRegistry, realm: FakeRegistry, fixture: ServiceFixture) => Promise<void>,
  ) {
    await using registry = await FakeRegistry.start();
    await using realm = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [wasmLayer()]);
    registry.fault = guarded(
      `Bearer realm="http://${realm.host}/token?a=b",service="the registry",scope="repository:app:pull"`,
      'Bearer T',
    );
    realm.fault = realmFault;
    await use(registry, realm, fixture);
  }
  const givesToken: Fault = (_request, response) => {
    response.writeHead(200).end('{"token":"T","expires_in":60}');
    return true;
  };

  test('is asked anonymously where there are no credentials', async () => {
    await withRealm(givesToken, async (registry, realm, fixture) => {
      await fixture.pull(`${registry.host}/app:1`);
      expect(realm.seen).toHaveLength(1);
      expect(realm.seen[0]).toMatchObject({
        method: 'GET',
        path: '/token?a=b&service=the+registry&scope=repository%3Aapp%3Apull',
      });
      expect(realm.seen[0]?.headers.authorization).toBeUndefined();
    });
  });

  test('is given the basic credentials, and nothing that was meant for the registry', async () => {
    await withRealm(givesToken, async (registry, realm, fixture) => {
      await fixture.pull(`${registry.host}/app:1`, { [registry.host]: { username: 'u', password: 'p' } });
      expect(realm.seen[0]?.headers.authorization).toBe(basic('u', 'p'));
      expect(realm.seen[0]?.headers.accept).toBeUndefined();
      expect(new Set(registry.seen.map(({ headers }) => headers.authorization))).toEqual(
        new Set([undefined, 'Bearer T']),
      );
    });
  });

  test('is given an identity token by POST', async () => {
    await withRealm(givesToken, async (registry, realm, fixture) => {
      await fixture.pull(`${registry.host}/app:1`, { [registry.host]: { identityToken: 'I' } });
      expect(realm.seen[0]).toMatchObject({ method: 'POST', path: '/token?a=b' });
      expect(Object.fromEntries(new URLSearchParams(realm.seen[0]?.body))).toEqual({
        service: 'the registry',
        scope: 'repository:app:pull',
        grant_type: 'refresh_token',
        client_id: 'wasmlet',
        refresh_token: 'I',
      });
    });
  });

  test('is left out where the secret holds a token for the registry itself', async () => {
    await withRealm(givesToken, async (registry, realm, fixture) => {
      await fixture.pull(`${registry.host}/app:1`, { [registry.host]: { registryToken: 'T' } });
      expect(realm.seen).toEqual([]);
    });
  });

  test('that refuses the credentials is asked once more without them', async () => {
    const picky: Fault = ({ headers }, response) => {
      if (headers.authorization === undefined) response.writeHead(200).end('{"access_token":"T"}');
      else response.writeHead(401).end();
      return true;
    };
    await withRealm(picky, async (registry, _realm, fixture) => {
      await fixture.pull(`${registry.host}/app:1`, { [registry.host]: { username: 'expired', password: 'p' } });
    });
  });

  test.each<[string, Fault, RegExp]>([
    [
      'redirects',
      (_request, response) => {
        response.writeHead(302, { location: '/elsewhere' }).end();
        return true;
      },
      /failed to fetch oauth token: unexpected status from GET request to .*\/token: 302 Found/,
    ],
    [
      'answers with HTML',
      (_request, response) => {
        response.writeHead(200).end('<html>');
        return true;
      },
      /answered without a token/,
    ],
    [
      'answers with a token that would break out of its header',
      (_request, response) => {
        response.writeHead(200).end(JSON.stringify({ token: 'T\r\nHost: evil' }));
        return true;
      },
      /answered without a token/,
    ],
    [
      'answers without end',
      (_request, response) => {
        response.writeHead(200).write(Buffer.alloc(2 * 1024 ** 2, ' '));
        return true;
      },
      /answered with more than 1048576 bytes/,
    ],
    [
      'gives tokens that the registry does not take',
      (_request, response) => {
        response.writeHead(200).end('{"token":"other"}');
        return true;
      },
      /401 Unauthorized/,
    ],
  ])('that %s ends the pull', async (_name, fault, message) => {
    await withRealm(fault, async (registry, _realm, fixture) => {
      const pulled = fixture.pull(`${registry.host}/app:1`, { [registry.host]: { username: 'u', password: 'p' } });
      await expect(pulled).rejects.toThrow(message);
      expect(await fixture.files()).toEqual([]);
    });
  });

  test.each([
    ['http://auth.example.com/token'],
    ['https://user:password@auth.example.com/token'],
    ['ftp://127.0.0.1/token'],
    ['token'],
  ])('%s, which is no place for credentials, is refused', async (realm) => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.fault = guarded(`Bearer realm="${realm}"`);
    await expect(
      fixture.pull(`${registry.host}/app:1`, { [registry.host]: { username: 'u', password: 'p' } }),
    ).rejects.toThrow(/as its token realm, which is not HTTPS or not an address that credentials may go to/);
  });
});

test('a redirect to another host carries no credential, and a challenge from there gets none', async () => {
  await using registry = await FakeRegistry.start();
  await using storage = await FakeRegistry.start();
  await using fixture = await ServiceFixture.start();
  const config = { [registry.host]: { username: 'u', password: 'p' } };
  registry.image('app', '1', [wasmLayer()]);
  storage.blob('app', wasmLayer());
  const guard = guarded('Basic realm="x"', basic('u', 'p'));
  registry.fault = (request, response) => {
    if (guard(request, response)) return true;
    if (!request.path.endsWith(digestOf(MODULE))) return false;
    response.writeHead(307, { location: `http://${storage.host}${request.path}` }).end();
    return true;
  };
  await fixture.pull(`${registry.host}/app:1`, config);
  expect(storage.seen).toHaveLength(1);
  expect(storage.seen[0]?.headers.authorization).toBeUndefined();

  await using another = await ServiceFixture.start();
  storage.fault = guarded(`Bearer realm="http://${storage.host}/token"`);
  await expect(another.pull(`${registry.host}/app:1`, config)).rejects.toThrow(/401 Unauthorized/);
  expect(storage.seen.map(({ path }) => path)).not.toContainEqual(expect.stringContaining('/token'));
  expect(storage.seen.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  expect(await another.files()).toEqual([]);
});

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { digestOf, FakeRegistry, MODULE, wasmLayer, type Fault } from './testing/fake-registry.ts';
import { ServiceFixture } from './testing/image-service.ts';
import { tarLayer } from './testing/tar.ts';
import { PATIENCE } from '../test/support/patience.ts';

const BLOB = digestOf(MODULE);
const WASM = { os: 'wasip1', architecture: 'wasm' };
const isBlob = (path: string) => path.endsWith(BLOB);
const isManifest = (path: string) => path.includes('/manifests/');

/** Pulls the image `app:1` that a registry with a fault offers; asserts that it fails and that no file is left. */
async function expectFailure(fault: Fault, message: RegExp, code = 'ErrImagePull', deadline = 10_000): Promise<Error> {
  await using registry = await FakeRegistry.start();
  await using fixture = await ServiceFixture.start({ progressDeadlineMs: deadline });
  registry.image('app', '1', [wasmLayer()]);
  registry.fault = fault;
  const error = await fixture.pull(`${registry.host}/app:1`).then(
    () => new Error('the pull succeeded'),
    (thrown: unknown) => thrown as Error,
  );
  expect(error.message).toMatch(message);
  expect(error).toMatchObject({ code });
  expect(error.message).toContain(`failed to pull and unpack image "${registry.host}/app:1": `);
  expect(await fixture.files()).toEqual([]);
  return error;
}

describe('a registry that sends', () => {
  test('a manifest of another digest', async () => {
    await expectFailure(({ path }, response) => {
      if (!isManifest(path)) return false;
      response.writeHead(200, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }).end('{}');
      return true;
    }, /failed to resolve reference ".*app:1": unexpected digest of the manifest: sha256:0+ was asked for/);
  });

  test('a blob of another digest', async () => {
    await expectFailure(
      ({ path }, response) => {
        if (!isBlob(path)) return false;
        response.writeHead(200).end(Buffer.alloc(MODULE.length, 'x'));
        return true;
      },
      new RegExp(`failed to download layer ${BLOB}: unexpected digest: ${BLOB} was asked for, but sha256:.* came`),
    );
  });

  test('a blob without end', async () => {
    await expectFailure(
      ({ path }, response) => {
        if (!isBlob(path)) return false;
        response.writeHead(200);
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(65536))) continue;
        };
        response.on('drain', more);
        more();
        return true;
      },
      new RegExp(`sends more than the ${MODULE.length} bytes it declared`),
    );
  });

  test('a manifest without end', async () => {
    await expectFailure(({ path }, response) => {
      if (!isManifest(path)) return false;
      response.writeHead(200);
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65536, ' '))) continue;
      };
      response.on('drain', more);
      more();
      return true;
    }, /answered with more than 4194304 bytes/);
  });

  test('HTML instead of a manifest', async () => {
    await expectFailure(({ path }, response) => {
      if (!isManifest(path)) return false;
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>Please sign in</html>');
      return true;
    }, /the registry's answer is not an image manifest: not JSON but text\/html/);
  });

  test('a drip of a blob', async () => {
    let drip: NodeJS.Timeout | undefined;
    await expectFailure(
      ({ path }, response) => {
        if (!isBlob(path)) return false;
        response.writeHead(200);
        let at = 0;
        drip = setInterval(() => response.write(MODULE.subarray(at % 8, (at++ % 8) + 1)), 20);
        response.on('close', () => clearInterval(drip));
        return true;
      },
      /no progress for 0\.3s after \d+ of \d+ bytes/,
      'RegistryUnavailable',
      300,
    );
    clearInterval(drip);
  });

  test('a drip of a manifest', async () => {
    await expectFailure(
      ({ path }, response) => {
        if (!isManifest(path)) return false;
        response.writeHead(200);
        const drip = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(drip));
        return true;
      },
      /did not send its answer within 0\.3s/,
      'RegistryUnavailable',
      300,
    );
  });

  test('no answer at all', async () => {
    await expectFailure(
      ({ path }) => isManifest(path),
      /failed to do request: GET http:.*: Headers Timeout Error/,
      'RegistryUnavailable',
      300,
    );
  });

  test('5xx for ever', async () => {
    let tries = 0;
    await expectFailure(
      (_request, response) => {
        tries++;
        response.writeHead(502).end('<html>bad gateway</html>');
        return true;
      },
      /unexpected status from GET request to http:.*\/manifests\/1: 502 Bad Gateway$/,
      'RegistryUnavailable',
    );
    expect(tries).toBe(3);
  });

  test('redirects without end', async () => {
    await expectFailure(({ path }, response) => {
      response.writeHead(307, { location: path }).end();
      return true;
    }, /redirects more than 5 times/);
  });

  test.each([
    ['another scheme', 'file:///etc/passwd'],
    ['plain HTTP elsewhere', 'http://registry.example.com/x'],
    ['nowhere', 'http://['],
  ])('a redirect to %s', async (_name, location) => {
    await expectFailure((_request, response) => {
      response.writeHead(307, { location }).end();
      return true;
    }, /redirects to .*, which is not followed/);
  });

  test('text with control characters in its errors', async () => {
    const error = await expectFailure((_request, response) => {
      response.writeHead(400).end(JSON.stringify({ errors: [{ code: 'X', message: '\u001b[2Jgone\nnext' }, null, 3] }));
      return true;
    }, /400 Bad Request: server message: X: {2}\[2Jgone next$/);
    expect(error.message).not.toMatch(/[\u0000-\u001f]/); // eslint-disable-line no-control-regex
  });
});

describe('a manifest that lies', () => {
  async function pullManifest(document: (registry: FakeRegistry) => Record<string, unknown>) {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.manifest('app', '1', document(registry));
    const pulled = fixture.pull(`${registry.host}/app:1`);
    await pulled.catch(() => undefined);
    expect(await fixture.files()).toEqual([]);
    return await pulled;
  }
  const config = (registry: FakeRegistry) => registry.blob('app', { mediaType: 'x', bytes: Buffer.from('{}') });

  test('about the size of a layer ends in an error, too small or too large', async () => {
    const lying = (change: number) =>
      pullManifest((registry) => {
        const layer = registry.blob('app', wasmLayer());
        return { config: config(registry), layers: [{ ...layer, size: layer.size + change }] };
      });
    await expect(lying(-1)).rejects.toThrow(/has 36 bytes, but its descriptor says 35/);
    await expect(lying(1)).rejects.toThrow(/has 36 bytes, but its descriptor says 37/);
  });

  test('about a huge size is refused before anything is downloaded', async () => {
    await expect(
      pullManifest((registry) => ({
        config: config(registry),
        layers: [{ ...registry.blob('app', wasmLayer()), size: 10_000_001 }],
      })),
    ).rejects.toThrow('the image has 10000001 bytes, more than the 10000000 that this node allows (maxImageBytes)');
  });

  test('about a huge config is refused', async () => {
    await expect(
      pullManifest((registry) => ({ config: { ...config(registry), size: 2 ** 40 }, layers: [] })),
    ).rejects.toThrow(/config has 1099511627776 bytes/);
  });

  test('with indexes within indexes is followed so far and no further', async () => {
    await expect(
      pullManifest((registry) => {
        let inner = registry.image('app', 'inner', [wasmLayer()]);
        for (let depth = 0; depth < 5; depth++) inner = registry.manifest('app', `d${depth}`, { manifests: [inner] });
        return { manifests: [inner] };
      }),
    ).rejects.toThrow(/indexes within indexes/);
  });
});

test.each([
  [
    'outside',
    async () => tarLayer([{ name: '../../evil', content: 'x' }]),
    /failed to extract layer sha256:.*points outside the image/,
  ],
  [
    'without end',
    async () => tarLayer([{ name: 'a', content: Buffer.alloc(11_000_000) }]),
    /unpacks to more than 10000000 bytes/,
  ],
])('a layer that unpacks %s leaves no file', async (_name, layer, message) => {
  await using registry = await FakeRegistry.start();
  await using fixture = await ServiceFixture.start();
  registry.image('app', '1', [await layer()], { ...WASM, config: {} });
  await expect(fixture.pull(`${registry.host}/app:1`)).rejects.toThrow(message);
  expect(await fixture.files()).toEqual([]);
});

test('a failed pull takes nothing from the images that are there', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await ServiceFixture.start();
  registry.image('good', '1', [wasmLayer()]);
  await fixture.pull(`${registry.host}/good:1`);
  const files = await fixture.files();
  registry.image('bad', '1', [wasmLayer(), await tarLayer([{ name: '../x', content: '' }])], { ...WASM, config: {} });
  registry.fault = ({ path }, response) => {
    if (!path.startsWith('/v2/bad/blobs/')) return false;
    response.writeHead(404).end();
    return true;
  };
  await expect(fixture.pull(`${registry.host}/bad:1`)).rejects.toThrow(/404 Not Found/);
  expect(await fixture.files()).toEqual(files);
});

/** Resolves when the one download under way has written so many bytes. */
async function untilIngested(root: string, bytes: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const [name = ''] = await readdir(join(root, 'ingest'));
      expect((await stat(join(root, 'ingest', name))).size).toBe(bytes);
    },
    { ...PATIENCE, interval: 2 },
  );
}

test('a failed pull takes nothing from a pull that goes on', async () => {
  await using registry = await FakeRegistry.start();
  await using fixture = await ServiceFixture.start();
  const shared = await tarLayer([{ name: 'shared', content: 'x' }]);
  const late = await tarLayer([{ name: 'late', content: 'x' }]);
  registry.image('good', '1', [shared, late], { ...WASM, config: {} });
  registry.image('bad', '1', [shared, await tarLayer([{ name: '../x', content: 'x' }])], { ...WASM, config: {} });
  const held = Promise.withResolvers<() => void>();
  registry.fault = ({ path }, response) => {
    if (!path.endsWith(digestOf(late.bytes))) return false;
    held.resolve(() => response.writeHead(200).end(late.bytes));
    return true;
  };
  const good = fixture.pull(`${registry.host}/good:1`);
  const goOn = await held.promise;
  await vi.waitFor(
    async () => expect(await fixture.files()).toContain(`blobs/sha256/${digestOf(shared.bytes).slice(7)}`),
    PATIENCE,
  );
  await expect(fixture.pull(`${registry.host}/bad:1`)).rejects.toThrow(/points outside the image/);
  goOn();
  const { tree = '' } = await good;
  expect((await readdir(tree)).sort()).toEqual(['late', 'shared']);
});

describe('a registry in passing trouble', () => {
  test.each([
    ['503', {}],
    ['429', { 'retry-after': '0' }],
  ])('is asked again after %s', async (status, headers) => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [wasmLayer()]);
    let troubles = 2;
    registry.fault = (_request, response) => {
      if (troubles-- <= 0) return false;
      response.writeHead(Number(status), headers).end();
      return true;
    };
    await expect(fixture.pull(`${registry.host}/app:1`)).resolves.toMatchObject({ os: 'wasip1' });
  });

  const LARGE = Buffer.concat([MODULE, Buffer.from([0, 0x84, 0x80, 0x0c]), Buffer.alloc(196_612, 7)]);

  test.each([
    ['goes on where it was', true],
    ['begins anew where ranges are not known', false],
  ])('that drops the connection: the download %s', async (_name, ranges) => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [wasmLayer(LARGE)]);
    const served: (string | undefined)[] = [];
    registry.fault = ({ path, headers }, response) => {
      if (!path.endsWith(digestOf(LARGE))) return false;
      served.push(headers.range);
      if (served.length > 2) {
        if (ranges) return false;
        response.writeHead(200).end(LARGE);
        return true;
      }
      const from = ranges ? Number(/\d+/.exec(headers.range ?? '0')?.[0]) : 0;
      response.writeHead(from > 0 ? 206 : 200, {
        'content-length': LARGE.length - from,
        ...(from > 0 ? { 'content-range': `bytes ${from}-${LARGE.length - 1}/${LARGE.length}` } : {}),
      });
      response.write(LARGE.subarray(from, from + 60_000));
      void untilIngested(fixture.root, from + 60_000).finally(() => response.destroy());
      return true;
    };
    const image = await fixture.pull(`${registry.host}/app:1`);
    expect(image.module).toContain(digestOf(LARGE).slice(7));
    expect(served).toHaveLength(3);
    expect(served.slice(0, 2)).toEqual([undefined, 'bytes=60000-']);
    if (ranges) expect(served[2]).toBe('bytes=120000-');
  });

  test('that resumes at the wrong place is not believed', async () => {
    await expectFailure(
      ({ path, headers }, response) => {
        if (!isBlob(path)) return false;
        if (headers.range === undefined)
          response.writeHead(200).write(MODULE.subarray(0, 10), () => response.destroy());
        else response.writeHead(206, { 'content-range': `bytes 0-9/${MODULE.length}` }).end(MODULE);
        return true;
      },
      /the connection dropped 7 times/,
      'RegistryUnavailable',
    );
  });

  test('that drops the connection again and again is given up', async () => {
    await expectFailure(
      ({ path }, response) => {
        if (!isBlob(path)) return false;
        response
          .writeHead(200, { 'content-length': MODULE.length })
          .write(MODULE.subarray(0, 1), () => response.destroy());
        return true;
      },
      /the connection dropped 7 times, last after \d+ of \d+ bytes/,
      'RegistryUnavailable',
    );
  });

  test('that does not listen is unavailable', async () => {
    await using fixture = await ServiceFixture.start();
    const registry = await FakeRegistry.start();
    const { host } = registry;
    await registry[Symbol.asyncDispose]();
    const pulled = fixture.pull(`${host}/app:1`);
    await expect(pulled).rejects.toMatchObject({ code: 'RegistryUnavailable' });
    await expect(pulled).rejects.toThrow(
      `failed to pull and unpack image "${host}/app:1": failed to resolve reference "${host}/app:1": failed to do request: GET http://${host}/v2/app/manifests/1: connect ECONNREFUSED`,
    );
  });
});

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ARTIFACT_FORMATS } from './artifact-formats.ts';
import { artifactOf } from './artifact.ts';
import { pushModule, type PushOptions, type PushProgress } from './push.ts';
import { COMPONENT, digestOf, FakeRegistry, MODULE } from './testing/fake-registry.ts';
import { FakeUploadRegistry } from './testing/fake-upload-registry.ts';
import { ServiceFixture } from './testing/image-service.ts';

const MEBIBYTE = 1024 ** 2;
const ARTIFACT = { format: 'cncf', fileName: 'hello.wasm', annotations: {}, created: '1970-01-01T00:00:00Z' } as const;

/** A module of that size: the rest is a custom section. */
function moduleOf(bytes: number): Buffer {
  const length = bytes - MODULE.length - 8;
  const leb = Buffer.from([(length + 2) & 0x7f, 0, 0, 0, 0].map((_, at) => ((length + 2) >> (7 * at)) & 0x7f));
  for (let at = 0; at < 4; at++) leb[at]! |= 0x80;
  return Buffer.concat([MODULE, Buffer.from([0]), leb, Buffer.from([1, 0x78]), randomBytes(length)]);
}

function push(registry: { readonly host: string }, change: Partial<PushOptions> = {}) {
  return pushModule({
    reference: `${registry.host}/org/hello:1`,
    module: MODULE,
    artifact: ARTIFACT,
    index: false,
    dockerConfigs: [],
    insecureRegistries: [],
    progressDeadlineMs: 60_000,
    retry: { attempts: 2, baseDelayMs: 1 },
    signal: new AbortController().signal,
    ...change,
  });
}

describe('a push', () => {
  test('is a CNCF artifact by default, the same bytes each time, and sends nothing that is there', async () => {
    await using registry = await FakeUploadRegistry.start();
    const first = await push(registry);
    expect(first.reference).toBe(`${registry.host}/org/hello:1`);
    expect(JSON.parse(registry.manifests.get('1')!.toString())).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: expect.objectContaining({ mediaType: 'application/vnd.wasm.config.v0+json' }) as object,
      layers: [{ mediaType: 'application/wasm', digest: digestOf(MODULE), size: MODULE.length }],
    });
    const sent = registry.seen.length;
    const states: PushProgress['state'][] = [];
    expect(await push(registry, { onProgress: ({ state }) => states.push(state) })).toEqual(first);
    expect(registry.seen.slice(sent).map(({ method }) => method)).toEqual(['HEAD', 'HEAD', 'PUT']);
    expect(states.filter((state) => state !== 'sending')).toEqual(['present', 'present']);
  });

  test('sends a large module in chunks, and goes on where the registry is when an answer is lost', async () => {
    await using registry = await FakeUploadRegistry.start();
    const module = moduleOf(20 * MEBIBYTE);
    let lost = 0;
    registry.fault = ({ method, range }, response) => {
      // The bytes never came to be stored; the connection is gone.
      if (method !== 'PATCH' || !range.startsWith(`${8 * MEBIBYTE}-`) || lost++ >= 3) return false;
      response.destroy();
      return true;
    };
    const told: number[] = [];
    await push(registry, { module, onProgress: ({ total, done }) => total > MEBIBYTE && told.push(done) });
    expect(registry.blobs.get(digestOf(module))?.equals(module)).toBe(true);
    expect(lost).toBeGreaterThan(3);
    expect(registry.seen.some(({ method, path }) => method === 'GET' && path.includes('/uploads/'))).toBe(true);
    expect(told.at(-1)).toBe(module.length);
    expect(told.toSorted((a, b) => a - b)).toEqual(told);
  }, 120_000);

  test('whose last answer was lost finds the blob there', async () => {
    await using registry = await FakeUploadRegistry.start();
    let lost = false;
    registry.fault = ({ method, path }, response, { blobs }) => {
      if (method !== 'PUT' || !path.includes('digest=') || lost) return false;
      lost = true;
      blobs.set(digestOf(MODULE), MODULE);
      response.writeHead(503).end();
      return true;
    };
    await push(registry, { retry: { attempts: 1, baseDelayMs: 1 } });
    expect(lost).toBe(true);
  });

  test('asks for what another repository has', async () => {
    await using registry = await FakeUploadRegistry.start();
    registry.fault = ({ method, path }, response) => {
      if (method !== 'POST' || !path.includes(`mount=sha256`)) return false;
      response.writeHead(201).end();
      return true;
    };
    const states: string[] = [];
    await push(registry, { mountFrom: 'org/base', onProgress: ({ state }) => states.push(state) });
    expect(states.filter((state) => state !== 'sending')).toEqual(['mounted', 'mounted']);
    expect(registry.seen.filter(({ path }) => path.includes('from=org%2Fbase'))).toHaveLength(2);
  });

  test('uses the credentials for its registry, and never tells them to another', async () => {
    await using elsewhere = await FakeUploadRegistry.start();
    await using registry = await FakeUploadRegistry.start();
    let uploads = 0;
    registry.fault = ({ method, authorization }, response) => {
      if (authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
      else if (method === 'POST')
        response.writeHead(202, { location: `http://${elsewhere.host}/v2/org/hello/blobs/uploads/${uploads++}` }).end();
      else return false;
      return true;
    };
    await push(registry, { dockerConfigs: [{ [registry.host]: { username: 'u', password: 'p' } }] });
    expect(elsewhere.seen.map(({ method }) => method)).toEqual(['PUT', 'PUT']);
    expect(elsewhere.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
    expect(registry.manifests.has('1')).toBe(true);
  });

  test('that is denied says what was tried and what to do', async () => {
    await using registry = await FakeUploadRegistry.start();
    registry.fault = (_seen, response) => {
      response.writeHead(403).end('{"errors":[{"code":"DENIED","message":"no"}]}');
      return true;
    };
    await expect(push(registry)).rejects.toMatchObject({
      code: 'ErrImagePull',
      message: expect.stringMatching(
        /^failed to push ".*\/org\/hello:1": unexpected status from HEAD request .* 403 Forbidden; log in with rights/,
      ) as string,
    });
  });

  test.each([
    ['to a digest', { reference: `a.example/b@sha256:${'0'.repeat(64)}` }, 'InvalidImageName', 'push to a tag'],
    ['of a component', { module: COMPONENT }, 'ImageNotRunnable', 'WebAssembly component'],
    ['of anything else', { module: Buffer.from('text') }, 'ImageNotRunnable', 'is not a WebAssembly module'],
  ])('%s is refused', async (_, change, code, message) => {
    await expect(push({ host: '127.0.0.1:1' }, change)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
  });
});

test.each(ARTIFACT_FORMATS)('an image of the form %s runs on this node', async (format) => {
  await using registry = await FakeRegistry.start();
  await using fixture = await ServiceFixture.start();
  const { config, layers, manifest } = await artifactOf(MODULE, { ...ARTIFACT, format, annotations: { 'org.a': 'b' } });
  for (const { mediaType, data } of [config, ...layers]) registry.blob('app', { mediaType, bytes: Buffer.from(data) });
  const document = JSON.parse(Buffer.from(manifest).toString()) as Record<string, unknown>;
  registry.manifest('app', '1', document);
  expect(document).toMatchObject({ annotations: { 'org.a': 'b' } });
  const image = await fixture.pull(`${registry.host}/app:1`);
  expect(image.module ?? image.config.entrypoint[0]).toMatch(/^\/(.*[0-9a-f]{64}|hello\.wasm|plugin\.wasm)$/);
});

import { describe, expect, test } from 'vitest';
import { choosePlatform, parseConfig, parseManifest, type Index } from './manifest.ts';

const digest = (at: number) => `sha256:${at.toString(16).padStart(64, '0')}`;

/** An index with one manifest per platform; 'os/architecture/variant', or '' for one without. */
function index(...platforms: string[]): Index {
  const manifests = platforms.map((platform, at) => {
    const [os = '', architecture = '', variant] = platform.split('/');
    return {
      mediaType: '',
      size: 1,
      digest: digest(at),
      platform: platform === '' ? null : { os, architecture, variant },
    };
  });
  return { manifests };
}

describe('of an index', () => {
  test.each([
    [['linux/amd64', 'wasip1/wasm'], 1],
    [['wasip2/wasm', 'wasi/wasm', 'wasip1/wasm'], 2],
    [['wasip2/wasm', 'wasi/wasm'], 1],
    [['linux/amd64', 'wasip2/wasm'], 1],
    [['linux/amd64', 'Wasip1/wasm'], 1],
    [['wasi/wasm32'], 0],
    [['wasip1/wasm/compat', 'wasip1/wasm'], 1],
    [['wasip1/wasm/compat'], 0],
    [['', ''], 0],
  ])('%j the manifest at %i is chosen', (platforms, at) => {
    expect(choosePlatform(index(...platforms), 'x').digest).toBe(digest(at));
  });

  test('without a Wasm platform the message lists what there is', () => {
    expect(() => choosePlatform(index('linux/amd64', 'linux/arm/v7', 'linux/amd64'), 'docker.io/library/x:1')).toThrow(
      'image "docker.io/library/x:1" has no platform that this node runs: it offers linux/amd64, linux/arm/v7; build it for wasip1/wasm',
    );
  });
});

describe('a manifest', () => {
  const parse = (document: unknown, type = 'text/html') =>
    parseManifest(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)), type);
  const descriptor = { mediaType: 'x', digest: digest(1), size: 1 };

  test('of Docker keeps its media type, any other is an OCI one', () => {
    const docker = 'application/vnd.docker.distribution.manifest.v2+json';
    expect(parse({ mediaType: docker, config: descriptor, layers: [] })).toMatchObject({ mediaType: docker });
    expect(parse({ config: descriptor, layers: [] }, 'application/octet-stream')).toMatchObject({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
    });
  });

  test.each([
    ['HTML', '<html>', /not JSON but text\/html/],
    ['a JSON string', '"x"', /not a JSON object/],
    ['schema 1', { schemaVersion: 1 }, /Docker schema 1/],
    ['both kinds at once', { config: descriptor, layers: [], manifests: [] }, /both a manifest and an index/],
    ['a digest that is a path', { config: { ...descriptor, digest: 'sha256:../../x' }, layers: [] }, /config\.digest/],
    ['a negative size', { config: { ...descriptor, size: -1 }, layers: [] }, /config\.size/],
    ['too many layers', { config: descriptor, layers: Array(300).fill(descriptor) }, /layers/],
    ['nothing of one', {}, /config/],
  ])('that is %s is refused', (_name, document, message) => {
    expect(() => parse(document)).toThrow(message);
  });
});

test('an image config with nulls, as Go writes it, is read', () => {
  const bytes = Buffer.from(
    '{"os":"wasip1","architecture":"wasm","config":{"Entrypoint":null,"Cmd":["/a"],"Labels":null}}',
  );
  expect(parseConfig(bytes, 'application/vnd.oci.image.config.v1+json')).toEqual({
    os: 'wasip1',
    architecture: 'wasm',
    config: { entrypoint: [], cmd: ['/a'], env: [], workingDir: '', user: '', labels: {} },
  });
});

test('a config that is not an image config may be anything, one that is may not', () => {
  expect(parseConfig(Buffer.from(''), 'application/vnd.wasm.config.v1+json')).toMatchObject({ os: '' });
  expect(() => parseConfig(Buffer.from(''), 'application/vnd.oci.image.config.v1+json')).toThrow(/config is malformed/);
});

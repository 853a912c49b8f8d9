import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { useTree } from '../base/tree-use.ts';
import type { TransferProgress } from './service.ts';
import { COMPONENT, digestOf, FakeRegistry, MODULE, wasmLayer } from './testing/fake-registry.ts';
import { ServiceFixture } from './testing/image-service.ts';
import { tarLayer } from './testing/tar.ts';

const LINUX = { os: 'linux', architecture: 'amd64' };
const WASM = { os: 'wasip1', architecture: 'wasm' };

describe('an image', () => {
  test('that is a bare module is used where it lies in the store', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    const manifest = registry.image('org/app', '1', [wasmLayer()]);
    const image = await fixture.pull(`${registry.host}/org/app:1`);
    expect(image).toMatchObject({
      id: manifest.digest,
      repoTags: [`${registry.host}/org/app:1`],
      repoDigests: [`${registry.host}/org/app@${manifest.digest}`],
      os: 'wasip1',
      architecture: 'wasm',
      module: join(fixture.root, 'blobs', 'sha256', digestOf(MODULE).slice(7)),
    });
    expect(image.tree).toBeUndefined();
    expect(await readFile(image.module ?? '')).toEqual(MODULE);
    expect(image.size).toBe(MODULE.length + manifest.size + JSON.stringify(WASM).length);
  });

  test('tells how far it has come', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [wasmLayer()]);
    const seen: TransferProgress[] = [];
    const pull = () =>
      fixture.service.pullImage({
        reference: `${registry.host}/app:1`,
        dockerConfigs: [],
        onProgress: (step) => seen.push(step),
        signal: new AbortController().signal,
      });
    await pull();
    const module = { name: digestOf(MODULE), mediaType: 'application/wasm', total: MODULE.length };
    expect(seen).toContainEqual({ ...module, done: MODULE.length, state: 'under way' });
    expect(seen).toContainEqual({ ...module, done: MODULE.length, state: 'there' });
    const { length } = seen;
    // What is there already has no way to come.
    await pull();
    expect(seen.length).toBe(length);
  });

  test('that is a compressed module is unpacked', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [{ mediaType: 'application/wasm+gzip', bytes: gzipSync(MODULE) }]);
    const image = await fixture.pull(`${registry.host}/app:1`);
    expect(await readFile(image.module ?? '')).toEqual(MODULE);
  });

  test('of tar layers is flattened, and its config is kept', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image(
      'app',
      '1',
      [await tarLayer([{ name: 'app.wasm', content: MODULE }]), await tarLayer([{ name: 'etc/x', content: 'x' }])],
      { ...WASM, config: { Entrypoint: ['/app.wasm'], Env: ['A=1'], WorkingDir: '/etc', User: '1' } },
    );
    const image = await fixture.pull(`${registry.host}/app:1`);
    expect(image.module).toBeUndefined();
    expect(await readFile(join(image.tree ?? '', 'etc/x'), 'utf8')).toBe('x');
    expect(image.config).toMatchObject({ entrypoint: ['/app.wasm'], env: ['A=1'], workingDir: '/etc', user: '1' });
  });

  test('with a plugin.wasm and no entrypoint is run as that, whatever platform it names', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [await tarLayer([{ name: 'plugin.wasm', content: MODULE }])], { ...LINUX, config: {} });
    expect((await fixture.pull(`${registry.host}/app:1`)).config.entrypoint).toEqual(['/plugin.wasm']);
    await fixture.restart();
    expect((await fixture.service.imageStatus(`${registry.host}/app:1`))?.config.entrypoint).toEqual(['/plugin.wasm']);
  });

  test('of several modules is run as the one that its entrypoint names', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    const other = Buffer.concat([MODULE, Buffer.from([0, 2, 1, 0x78])]);
    const title = (name: string) => ({ annotations: { 'org.opencontainers.image.title': name } });
    const layers = [
      { ...wasmLayer(other), ...title('other.wasm') },
      { ...wasmLayer(), ...title('main.wasm') },
      { mediaType: 'application/vnd.wasm.content.layer.v1+data', bytes: Buffer.from('some data') },
    ];
    registry.image('app', 'named', layers, { ...WASM, config: { Entrypoint: ['/main.wasm'] } });
    const image = await fixture.pull(`${registry.host}/app:named`);
    expect(await readFile(image.module ?? '')).toEqual(MODULE);
    registry.image('app', 'unnamed', layers, { ...WASM, config: {} });
    await expect(fixture.pull(`${registry.host}/app:unnamed`)).rejects.toMatchObject({
      code: 'ImageNotRunnable',
      message: expect.stringContaining('holds 2 modules, and its entrypoint names none of them') as string,
    });
  });

  test('of an index is the one for wasip1, known by the digest of the index', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    const wasm = registry.image('app', 'wasm', [wasmLayer()]);
    const index = registry.manifest('app', 'multi', {
      manifests: [
        { ...wasm, digest: digestOf(Buffer.from('absent')), platform: LINUX },
        { ...wasm, platform: WASM },
      ],
    });
    const image = await fixture.pull(`${registry.host}/app:multi`);
    expect(image.id).toBe(wasm.digest);
    expect(image.repoDigests).toEqual([`${registry.host}/app@${index.digest}`]);
    expect(await fixture.service.imageStatus(`${registry.host}/app@${index.digest}`)).toEqual(image);
  });
});

describe('an image that this node cannot run', () => {
  test.each([
    [
      'is for Linux',
      (registry: FakeRegistry) => registry.image('app', '1', [], { ...LINUX, config: { Entrypoint: ['/bin/sh'] } }),
      /image ".*\/app:1" is built for linux\/amd64, but this node runs WebAssembly modules only; build it for wasip1\/wasm/,
    ],
    [
      'is a component',
      (registry: FakeRegistry) =>
        registry.image('app', '1', [wasmLayer(COMPONENT)], { os: 'wasip2', architecture: 'wasm' }),
      /holds a WebAssembly component \(WASI 0\.2\), which this node does not run yet/,
    ],
    [
      'is no Wasm at all',
      (registry: FakeRegistry) =>
        registry.image('app', '1', [{ mediaType: 'text/plain', bytes: Buffer.from('hello') }]),
      /holds no WebAssembly module: its layers are text\/plain/,
    ],
    ['has no layers', (registry: FakeRegistry) => registry.image('app', '1', []), /its layers are none/],
  ])('because it %s says so and leaves no file', async (_name, put, message) => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    put(registry);
    const pulled = fixture.pull(`${registry.host}/app:1`);
    await expect(pulled).rejects.toThrow(message);
    await expect(pulled).rejects.toMatchObject({ code: 'ImageNotRunnable' });
    expect(await fixture.files()).toEqual([]);
  });

  test('because its tree is Linux or a component leaves no file', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('linux', '1', [await tarLayer([{ name: 'bin/sh', content: 'ELF' }])], { ...LINUX, config: {} });
    await expect(fixture.pull(`${registry.host}/linux:1`)).rejects.toThrow(
      /is built for linux\/amd64 and holds no \/plugin\.wasm/,
    );
    registry.image('two', '1', [await tarLayer([{ name: 'a.wasm', content: COMPONENT }])], {
      ...WASM,
      config: { Entrypoint: ['a.wasm'] },
    });
    await expect(fixture.pull(`${registry.host}/two:1`)).rejects.toThrow(/WebAssembly component/);
    expect(await fixture.files()).toEqual([]);
  });
});

describe('pulling', () => {
  test('is one download however many wait, and none when it is there already', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [wasmLayer()]);
    const reference = `${registry.host}/app:1`;
    const images = await Promise.all(Array.from({ length: 20 }, () => fixture.pull(reference)));
    expect(new Set(images.map(({ id }) => id)).size).toBe(1);
    expect(registry.seen.map(({ method }) => method)).toEqual(['GET', 'GET', 'GET']);
    await fixture.pull(reference);
    expect(registry.seen.slice(3).map(({ method }) => method)).toEqual(['HEAD']);
  });

  test('of a tag that moved fetches only what is new, and keeps the old image by its digest', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    const reference = `${registry.host}/app:1`;
    registry.image('app', '1', [wasmLayer()]);
    const before = await fixture.pull(reference);
    registry.image('app', '1', [wasmLayer(Buffer.concat([MODULE, Buffer.from([0, 2, 1, 0x78])]))]);
    const after = await fixture.pull(reference);
    expect(after.id).not.toBe(before.id);
    expect((await fixture.service.imageStatus(reference))?.id).toBe(after.id);
    expect(await fixture.service.imageStatus(before.id)).toMatchObject({
      repoTags: [],
      repoDigests: before.repoDigests,
    });
  });

  test('ends for the one who gives up, and goes on for the others', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [wasmLayer()]);
    const reached = Promise.withResolvers<() => void>();
    registry.fault = ({ path }, response) => {
      if (!path.includes('/manifests/') || response.headersSent) return false;
      registry.fault = () => false;
      reached.resolve(() => response.writeHead(503).end());
      return true;
    };
    const impatient = new AbortController();
    const first = fixture.service.pullImage({
      reference: `${registry.host}/app:1`,
      dockerConfigs: [],
      signal: impatient.signal,
    });
    const second = fixture.pull(`${registry.host}/app:1`);
    const goOn = await reached.promise;
    impatient.abort();
    await expect(first).rejects.toMatchObject({ code: 'Cancelled' });
    goOn();
    await expect(second).resolves.toMatchObject({ repoTags: [`${registry.host}/app:1`] });
  });

  test('is given up when nobody waits, and nothing is left of it', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [wasmLayer()]);
    const reached = Promise.withResolvers<undefined>();
    const closed = Promise.withResolvers<undefined>();
    registry.fault = ({ path }, response) => {
      if (!path.endsWith(digestOf(MODULE))) return false;
      response.writeHead(200).write(MODULE.subarray(0, 5));
      response.on('close', () => closed.resolve(undefined));
      reached.resolve(undefined);
      return true;
    };
    const owner = new AbortController();
    const pulled = fixture.service.pullImage({
      reference: `${registry.host}/app:1`,
      dockerConfigs: [],
      signal: owner.signal,
    });
    await reached.promise;
    owner.abort();
    await expect(pulled).rejects.toMatchObject({ code: 'Cancelled' });
    await closed.promise;
    await fixture.restart();
    expect(await fixture.files()).toEqual([]);
  });

  test('goes on in order of asking, no more at a time than allowed', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start({ maxParallelPulls: 8, serialize: true });
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) registry.image(name, '1', [wasmLayer()]);
    await Promise.all(names.map((name) => fixture.pull(`${registry.host}/${name}:1`)));
    const order = registry.seen.map(({ path }) => path.split('/')[2]);
    expect(order.join('')).toMatch(/^a+b+c+d+$/);
  });
});

describe('the store', () => {
  test('keeps images over a restart, and clears what a crash left', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('a', '1', [wasmLayer()]);
    registry.image('b', '1', [await tarLayer([{ name: 'x.wasm', content: MODULE }])], { ...WASM, config: {} });
    const images = [await fixture.pull(`${registry.host}/a:1`), await fixture.pull(`${registry.host}/b:1`)];
    const files = await fixture.files();
    await fixture.restart(async () => {
      await writeFile(join(fixture.root, 'ingest', 'half'), 'x');
      await writeFile(join(fixture.root, 'blobs', 'sha256', 'f'.repeat(64)), 'x');
      await writeFile(join(fixture.root, 'index.json.abc.tmp'), 'x');
    });
    expect(await fixture.files()).toEqual(files);
    expect(await fixture.service.listImages()).toEqual(images);
  });

  test('forgets an image whose blob is gone, so that it is pulled again', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('a', '1', [wasmLayer()]);
    const { module = '' } = await fixture.pull(`${registry.host}/a:1`);
    await fixture.restart(() => writeFile(module, 'cut'));
    expect(await fixture.service.imageStatus(`${registry.host}/a:1`)).toBeUndefined();
    await fixture.pull(`${registry.host}/a:1`);
    expect(await readFile(module)).toEqual(MODULE);
  });

  test('starts anew over an index that is damaged', async () => {
    await using fixture = await ServiceFixture.start();
    await fixture.restart(() => writeFile(join(fixture.root, 'index.json'), '{"mani'));
    expect(await fixture.service.listImages()).toEqual([]);
  });

  test('is an OCI image layout, with a name and a whole image per entry', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    const { digest, size } = registry.image('a', '1', [wasmLayer()]);
    await fixture.pull(`${registry.host}/a:1`);
    expect(JSON.parse(await readFile(join(fixture.root, 'oci-layout'), 'utf8'))).toEqual({
      imageLayoutVersion: '1.0.0',
    });
    const index = JSON.parse(await readFile(join(fixture.root, 'index.json'), 'utf8')) as { manifests: unknown[] };
    expect(index).toMatchObject({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json' });
    expect(index.manifests[0]).toMatchObject({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest,
      size,
      annotations: {
        'org.opencontainers.image.ref.name': `${registry.host}/a:1`,
        'io.containerd.image.name': `${registry.host}/a:1`,
      },
    });
  });

  test('loses with an image only what no other needs', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    const shared = await tarLayer([{ name: 'shared', content: 'x' }]);
    const own = await tarLayer([{ name: 'own', content: 'x' }]);
    registry.image('a', '1', [shared], { ...WASM, config: {} });
    registry.image('b', '1', [shared, own], { ...WASM, config: { Cmd: ['x.wasm'] } });
    const a = await fixture.pull(`${registry.host}/a:1`);
    const onlyA = await fixture.files();
    const b = await fixture.pull(`${registry.host}/b:1`);
    const used = await fixture.service.imageFsInfo();
    await fixture.service.removeImage(b.id);
    expect(await fixture.files()).toEqual(onlyA);
    expect(await readFile(join(a.tree ?? '', 'shared'), 'utf8')).toBe('x');
    const left = await fixture.service.imageFsInfo();
    expect(left.usedBytes).toBeLessThan(used.usedBytes);
    expect(left.inodesUsed).toBeLessThan(used.inodesUsed);
    await fixture.service.removeImage(a.id);
    await fixture.service.removeImage(a.id);
    expect(await fixture.files()).toEqual([]);
    expect(await fixture.service.listImages()).toEqual([]);
  });

  test('keeps the files of an image that is removed for containers that use them, until nobody does', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('a', '1', [await tarLayer([{ name: 'used', content: 'x' }])], { ...WASM, config: {} });
    const { id, tree = '' } = await fixture.pull(`${registry.host}/a:1`);
    const container = join(fixture.root, 'container');
    await mkdir(container);
    await useTree(tree, 'container', container);
    await fixture.service.removeImage(id);
    expect(await fixture.service.listImages()).toEqual([]);
    const kept = await fixture.service.imageFsInfo();
    await fixture.restart();
    expect(await readFile(join(tree, 'used'), 'utf8')).toBe('x');
    expect((await fixture.service.imageFsInfo()).inodesUsed).toBe(kept.inodesUsed);
    // It is the image's again.
    await fixture.pull(`${registry.host}/a:1`);
    await fixture.service.removeImage(id);
    // Its end, without a word.
    await rm(container, { recursive: true });
    registry.image('b', '1', [await tarLayer([{ name: 'other', content: 'x' }])], { ...WASM, config: {} });
    const other = await fixture.pull(`${registry.host}/b:1`);
    await fixture.service.removeImage(other.id);
    expect(await fixture.files()).toEqual([]);
  });
});

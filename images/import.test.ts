import { createHash } from 'node:crypto';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMPONENT, digestOf, FakeRegistry, MODULE, wasmLayer } from './testing/fake-registry.ts';
import { ServiceFixture } from './testing/image-service.ts';
import { tar, type TarEntry } from './testing/tar.ts';

const WASM = { os: 'wasip1', architecture: 'wasm' };
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

let folder: Awaited<ReturnType<typeof mkdtempDisposable>>;
beforeAll(async () => {
  folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-import-'));
});
afterAll(() => folder.remove());

async function file(content: Uint8Array): Promise<string> {
  const path = join(folder.path, createHash('sha256').update(content).digest('hex'));
  await writeFile(path, content);
  return path;
}

const archive = async (entries: readonly TarEntry[]) => file(await tar(entries));

function load(fixture: ServiceFixture, path: string, name?: string) {
  return fixture.service.importImages({ path, name, signal: new AbortController().signal });
}

const blob = (bytes: Buffer): TarEntry => ({ name: `blobs/sha256/${digestOf(bytes).slice(7)}`, content: bytes });
const json = (content: unknown): Buffer => Buffer.from(JSON.stringify(content));
const descriptor = (bytes: Buffer, mediaType: string) => ({ mediaType, digest: digestOf(bytes), size: bytes.length });

/** The parts of a bare artifact in an OCI layout. */
function artifact(module = MODULE) {
  const config = json(WASM);
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: descriptor(config, 'application/vnd.wasm.config.v0+json'),
    layers: [descriptor(module, 'application/wasm')],
  });
  return { manifest, parts: [blob(config), blob(module), blob(manifest)] };
}

describe('a module', () => {
  test('becomes an image as one that was pulled, also after a restart', async () => {
    await using fixture = await ServiceFixture.start();
    const [image, ...others] = await load(fixture, await file(MODULE), 'example.org/app:1');
    expect(others).toEqual([]);
    expect(image).toMatchObject({
      repoTags: ['example.org/app:1'],
      repoDigests: [`example.org/app@${image?.id}`],
      ...WASM,
      module: join(fixture.root, 'blobs', 'sha256', digestOf(MODULE).slice(7)),
    });
    await fixture.restart();
    expect(await fixture.service.imageStatus('example.org/app:1')).toEqual(image);
  });

  test('is the same image whenever it is imported, and takes its name from an earlier one', async () => {
    await using fixture = await ServiceFixture.start();
    const path = await file(MODULE);
    const [first] = await load(fixture, path, 'app');
    const [again] = await load(fixture, path, 'app');
    expect(again).toEqual(first);
    const [other] = await load(fixture, await file(Buffer.concat([MODULE, Buffer.from('0003026162', 'hex')])), 'app');
    expect(other?.id).not.toBe(first?.id);
    expect((await fixture.service.imageStatus('app'))?.id).toBe(other?.id);
    expect(await readFile(path)).toEqual(MODULE);
  });

  test.each([
    ['without a name', MODULE, undefined, 'InvalidArgument', 'say what its image is to be called'],
    ['by digest', MODULE, `a@sha256:${'0'.repeat(64)}`, 'InvalidImageName', 'under a tag, not a digest'],
    ['that is a component', COMPONENT, 'a', 'ImageNotRunnable', 'a WebAssembly component'],
    ['that is none', Buffer.from('#!/bin/sh'), 'a', 'ImageNotRunnable', 'is not a WebAssembly module'],
  ])('%s is refused', async (_, content, name, code, message) => {
    await using fixture = await ServiceFixture.start();
    await expect(load(fixture, await file(content), name)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message) as string,
    });
    expect(await fixture.files()).toEqual([]);
  });
});

describe('an archive', () => {
  test('that is an OCI layout brings each image under its names, with the digests that it has there', async () => {
    await using fixture = await ServiceFixture.start();
    const { manifest, parts } = artifact();
    const entry = descriptor(manifest, MANIFEST);
    const index = json({
      schemaVersion: 2,
      manifests: ['docker.io/library/a:1', 'example.org/b:2'].map((name) => ({
        ...entry,
        annotations: { 'io.containerd.image.name': name },
      })),
    });
    const [image] = await load(fixture, await archive([...parts, { name: './index.json', content: index }]));
    expect(image).toMatchObject({ id: entry.digest, repoTags: ['docker.io/library/a:1', 'example.org/b:2'] });
  });

  test('may be compressed, and be called otherwise', async () => {
    await using fixture = await ServiceFixture.start();
    const { manifest, parts } = artifact();
    const index = json({ manifests: [descriptor(manifest, MANIFEST)] });
    const packed = gzipSync(await tar([...parts, { name: 'index.json', content: index }]));
    const path = await file(packed);
    await expect(load(fixture, path)).rejects.toMatchObject({ message: expect.stringContaining('no name') as string });
    expect((await load(fixture, path, 'mine:2'))[0]).toMatchObject({ repoTags: ['docker.io/library/mine:2'] });
  });

  test('with an index has the platform that this node runs', async () => {
    await using fixture = await ServiceFixture.start();
    const { manifest, parts } = artifact();
    const linux = json({ schemaVersion: 2 });
    const platforms = json({
      schemaVersion: 2,
      manifests: [
        { ...descriptor(linux, MANIFEST), platform: { os: 'linux', architecture: 'amd64' } },
        { ...descriptor(manifest, MANIFEST), platform: WASM },
      ],
    });
    const index = json({ manifests: [descriptor(platforms, 'application/vnd.oci.image.index.v1+json')] });
    const entries = [...parts, blob(platforms), { name: 'index.json', content: index }];
    const [image] = await load(fixture, await archive(entries), 'a:1');
    expect(image).toMatchObject({
      id: digestOf(manifest),
      repoDigests: [`docker.io/library/a@${digestOf(platforms)}`],
    });
  });

  test('that docker save wrote has its layers, links among them, as one tree', async () => {
    await using fixture = await ServiceFixture.start();
    const layer = await tar([{ name: 'app.wasm', content: MODULE }]);
    const more = await tar([{ name: 'etc/x', content: 'x' }]);
    const config = json({ ...WASM, config: { Entrypoint: ['/app.wasm'] } });
    const manifest = [
      { Config: 'c.json', RepoTags: ['shop:3'], Layers: ['1/layer.tar', '2/layer.tar', '3/layer.tar'] },
    ];
    const path = await archive([
      { name: 'c.json', content: config },
      { name: '1/layer.tar', content: layer },
      { name: '2/layer.tar', content: more },
      { name: '3/layer.tar', type: 'symlink', linkname: '../2/layer.tar' },
      { name: 'manifest.json', content: json(manifest) },
    ]);
    const [image] = await load(fixture, path);
    expect(image).toMatchObject({ repoTags: ['docker.io/library/shop:3'], config: { entrypoint: ['/app.wasm'] } });
    expect(await readFile(join(image?.tree ?? '', 'etc/x'), 'utf8')).toBe('x');
  });

  test('that holds something else than it says leaves nothing behind', async () => {
    await using fixture = await ServiceFixture.start();
    const { manifest, parts } = artifact();
    const index = { name: 'index.json', content: json({ manifests: [descriptor(manifest, MANIFEST)] }) };
    const false_ = { ...blob(MODULE), content: Buffer.concat([MODULE.subarray(0, -1), Buffer.from([0])]) };
    const cheats = await archive([parts[0]!, parts[2]!, false_, index]);
    await expect(load(fixture, cheats, 'a')).rejects.toMatchObject({ code: 'ErrImagePull' });
    const lacks = await archive([parts[0]!, parts[2]!, index]);
    await expect(load(fixture, lacks, 'a')).rejects.toMatchObject({
      message: expect.stringContaining('the archive does not have sha256:') as string,
    });
    const neither = await archive([{ name: 'x', content: 'x' }]);
    await expect(load(fixture, neither, 'a')).rejects.toMatchObject({
      message: expect.stringContaining('neither index.json (an OCI layout) nor manifest.json') as string,
    });
    const whole = await readFile(await archive([...parts, index]));
    const cut = await file(whole.subarray(0, whole.length - 2048 - 200));
    await expect(load(fixture, cut, 'a')).rejects.toMatchObject({ code: 'InvalidArgument' });
    expect(await fixture.files()).toEqual([]);
  });

  test('that unpacks to more than images may have is given up', async () => {
    await using fixture = await ServiceFixture.start({ maxImageBytes: 100_000 });
    const path = await file(gzipSync(await tar([{ name: 'index.json', content: Buffer.alloc(200_000) }])));
    await expect(load(fixture, path, 'a')).rejects.toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining('unpacks to more than 100000 bytes') as string,
    });
  });

  test('shares what it has in common with an image that was pulled', async () => {
    await using registry = await FakeRegistry.start();
    await using fixture = await ServiceFixture.start();
    registry.image('app', '1', [wasmLayer()]);
    const pulled = await fixture.pull(`${registry.host}/app:1`);
    const [imported] = await load(fixture, await file(MODULE), 'app:1');
    expect(imported?.module).toBe(pulled.module);
    await fixture.service.removeImage(pulled.id);
    expect(await readFile(imported?.module ?? '')).toEqual(MODULE);
  });
});

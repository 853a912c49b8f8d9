import { mkdtempDisposable, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import type { ImageStore, TransferProgress } from '../service.ts';
import { MODULE } from '../testing/fake-registry.ts';
import { ServiceFixture } from '../testing/image-service.ts';
import { connectImages } from './client.ts';
import { imagesSocketOf } from './protocol.ts';
import { serveImages } from './server.ts';

let stack: AsyncDisposableStack;
let fixture: ServiceFixture;
let socket: string;
let file: string;
let images: ImageStore;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'wi-')));
  fixture = stack.use(await ServiceFixture.start());
  socket = imagesSocketOf(folder.path);
  file = join(folder.path, 'hello.wasm');
  await writeFile(file, MODULE);
  stack.use(
    await serveImages({
      store: fixture.service,
      socket,
      ingestFolder: join(fixture.root, 'ingest'),
      maxBytes: 1_000_000,
      logger: silentLogger,
    }),
  );
  const connected = await connectImages(socket);
  if (!connected) throw new Error('nobody answers');
  images = stack.use(connected);
});
afterEach(() => stack.disposeAsync());

const { signal } = new AbortController();

test('what the command line imports, the agent has at once, and it goes when the command line removes it', async () => {
  const [image] = await images.importImages({ path: file, name: 'demo:1', signal });
  expect(await fixture.service.imageStatus('demo:1')).toEqual(image);
  expect(await images.imageStatus('demo:1')).toEqual(image);
  expect(await images.imageStatus(image?.id ?? '')).toEqual(image);
  expect(await images.listImages()).toEqual([image]);
  await images.removeImage(image?.id ?? '');
  expect(await fixture.service.listImages()).toEqual([]);
  expect(await fixture.files()).toEqual([]);
});

test('an import tells how much of its file is sent', async () => {
  const steps: TransferProgress[] = [];
  await images.importImages({ path: file, name: 'demo:1', onProgress: (step) => steps.push(step), signal });
  const sent = { name: 'hello.wasm', mediaType: '', done: MODULE.length, total: MODULE.length };
  expect(steps).toEqual([
    { ...sent, state: 'under way' },
    { ...sent, state: 'there' },
  ]);
});

test('only the user of the agent may connect', async () => {
  expect((await stat(socket)).mode & 0o777).toBe(0o600);
});

test('errors come with their code and their words', async () => {
  await expect(images.importImages({ path: file, name: 'NO', signal })).rejects.toMatchObject({
    code: 'InvalidImageName',
    message: expect.stringContaining('must be lowercase') as string,
  });
  await writeFile(file, Buffer.alloc(2_000_000));
  await expect(images.importImages({ path: file, name: 'a', signal })).rejects.toMatchObject({
    code: 'InvalidArgument',
    message: expect.stringContaining('more than 1000000 bytes') as string,
  });
  expect(await fixture.files()).toEqual([]);
});

test('an import whose sender is gone leaves nothing', async () => {
  const { promise: gone, resolve } = Promise.withResolvers<undefined>();
  const half = request({
    socketPath: socket,
    method: 'POST',
    path: '/v1/images?name=a',
    headers: { 'content-length': 1000 },
  });
  half.on('error', () => resolve(undefined));
  half.write(MODULE, () => half.destroy(new Error('gone')));
  await gone;
  // Answered after it, by the same process.
  await expect.poll(() => fixture.files(), { timeout: 60_000 }).toEqual([]);
  expect(await images.listImages()).toEqual([]);
});

test('where no agent runs nobody is found', async () => {
  await stack.disposeAsync();
  expect(await connectImages(socket)).toBeUndefined();
  await expect(images.listImages()).rejects.toMatchObject({ code: 'Unavailable' });
  await expect(stat(socket)).rejects.toMatchObject({ code: 'ENOENT' });
});

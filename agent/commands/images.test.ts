import { expect, test } from 'vitest';
import type { Image } from '../../images/service.ts';
import { findImage, renderImages } from './images.ts';
import { humanSize, lineOf, Progress, stepOf } from './progress.ts';

const image = (digit: string, change: Partial<Image> = {}): Image => ({
  id: `sha256:${digit.repeat(64)}`,
  repoTags: [],
  repoDigests: [],
  size: 72_345_678,
  os: 'wasip1',
  architecture: 'wasm',
  config: { entrypoint: [], cmd: [], env: [], workingDir: '', user: '', labels: {} },
  ...change,
});

const A = image('a', {
  repoTags: ['docker.io/library/app:1', 'example.org:5000/app:2'],
  repoDigests: [`example.org:5000/app@sha256:${'c'.repeat(64)}`],
});
const B = image('b', { repoDigests: [`ghcr.io/old@sha256:${'b'.repeat(64)}`], size: 999 });

test('images are listed as crictl lists them, a row for each name', () => {
  expect(renderImages([B, A], { digests: false, quiet: false, output: 'table' })).toBe(
    [
      'IMAGE                   TAG      IMAGE ID        SIZE',
      'docker.io/library/app   1        aaaaaaaaaaaaa   72.3MB',
      'example.org:5000/app    2        aaaaaaaaaaaaa   72.3MB',
      'ghcr.io/old             <none>   bbbbbbbbbbbbb   999B',
      '',
    ].join('\n'),
  );
  const [, first = '', second = ''] = renderImages([A], { digests: true, quiet: false, output: 'table' }).split('\n');
  expect([first, second].map((line) => line.split(/ +/)[2])).toEqual([A.id, `sha256:${'c'.repeat(64)}`]);
});

test('ids alone, and JSON, are for scripts', () => {
  expect(renderImages([A, B], { digests: false, quiet: true, output: 'table' })).toBe(`${A.id}\n${B.id}\n`);
  expect(JSON.parse(renderImages([A], { digests: false, quiet: false, output: 'json' }))).toEqual({ images: [A] });
});

test('an image is found by its name or the beginning of its id', async () => {
  const store = {
    listImages: () => Promise.resolve([A, B, image('b0', { id: `sha256:bbbbbbb${'0'.repeat(57)}` })]),
    imageStatus: (name: string) => Promise.resolve(name === 'app:1' ? A : undefined),
    removeImage: () => Promise.resolve(),
    importImages: () => Promise.resolve([]),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  expect(await findImage(store, 'app:1')).toBe(A);
  expect(await findImage(store, 'aaaaaaaaaaaaa')).toBe(A);
  expect(await findImage(store, A.id)).toBe(A);
  await expect(findImage(store, 'bbbbbb')).rejects.toMatchObject({ code: 'InvalidArgument' });
  await expect(findImage(store, 'other:1')).rejects.toMatchObject({
    code: 'NotFound',
    message: 'no image other:1: see wasmlet images ls',
  });
});

test.each([
  [0, '0B'],
  [999, '999B'],
  [1000, '1kB'],
  [43_315, '43.3kB'],
  [72_345_678, '72.3MB'],
  [4_300_000_000_000_000, '4300TB'],
])('%i bytes are %s', (bytes, text) => {
  expect(humanSize(bytes)).toBe(text);
});

function progressOn(isTTY: boolean): { written: () => string; progress: Progress } {
  let written = '';
  const stream = { isTTY, columns: 60, write: (text: string) => (written += text) !== '' };
  return { written: () => written, progress: new Progress(stream as unknown as NodeJS.WriteStream) };
}

const STEP = { key: 'a', title: 'abc  application/wasm', total: 100 };

test('progress is bars on a terminal, drawn anew in their place', () => {
  const { written, progress } = progressOn(true);
  progress.update({ ...STEP, done: 50 });
  progress.update({ ...STEP, done: 100, outcome: '100B pushed' });
  progress[Symbol.dispose]();
  expect(written()).toContain('[############............]');
  expect(written()).toContain('\x1b[1A\x1b[2Kabc  application/wasm  100B pushed\n');
});

test('progress is a line for what has ended where nobody watches', () => {
  const { written, progress } = progressOn(false);
  progress.update({ ...STEP, done: 50 });
  progress.update({ ...STEP, done: 100, outcome: '100B pushed' });
  progress[Symbol.dispose]();
  expect(written()).toBe('abc  application/wasm  100B pushed\n');
});

test('a bar says how much of how much', () => {
  expect(lineOf({ ...STEP, done: 25 })).toBe('abc  application/wasm  [######..................]  25B of 100B');
});

test('what comes into the store is called by its digest and type, or its file', () => {
  const blob = { name: `sha256:${'ab'.repeat(32)}`, mediaType: 'application/wasm', done: 10, total: 20 };
  expect(lineOf(stepOf({ ...blob, state: 'under way' }))).toMatch(
    /^abababababab {2}application\/wasm {2}\[#+\.+\] {2}10B of 20B$/,
  );
  expect(lineOf(stepOf({ ...blob, state: 'there' }))).toBe('abababababab  application/wasm  20B stored');
  const file = { name: 'app.wasm', mediaType: '', done: 20, total: 20, state: 'there' } as const;
  expect(lineOf(stepOf(file))).toBe('app.wasm  20B stored');
});

import { expect, test } from 'vitest';
import { moduleInfo } from './module-info.ts';
import { COMPONENT, MODULE } from './testing/fake-registry.ts';

const bytes = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const name = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
const custom = (title: string, ...content: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat([name(title), ...content]);
  return Buffer.concat([Buffer.from([0, body.length]), body]);
};

test('a module tells what it exports, what it is called and what made it', async () => {
  const names = custom('name', Buffer.from([1, 1, 0]), Buffer.from([0, 6]), name('hello'));
  const producers = custom(
    'producers',
    ...[Buffer.from([1]), name('language'), Buffer.from([2]), name('C11'), name(''), name('Rust'), name('1.9')],
  );
  expect(await moduleInfo(bytes(MODULE, names, producers))).toEqual({
    kind: 'module',
    wasi: [],
    imports: [],
    exports: ['_start (function)'],
    customSections: [
      { name: 'name', size: 11 },
      { name: 'producers', size: producers.length - 12 },
    ],
    name: 'hello',
    producers: { language: ['C11', 'Rust 1.9'] },
  });
});

test('what it imports tells its WASI', async () => {
  const imports = Buffer.concat([
    Buffer.from([1]),
    name('wasi_snapshot_preview1'),
    name('proc_exit'),
    Buffer.from([0, 0]),
  ]);
  const types = Buffer.from([1, 5, 1, 0x60, 1, 0x7f, 0]);
  const module = bytes(MODULE.subarray(0, 8), types, Buffer.from([2, imports.length]), imports);
  expect(await moduleInfo(module)).toMatchObject({
    wasi: ['wasip1'],
    imports: ['wasi_snapshot_preview1.proc_exit (function)'],
  });
});

test('a component is told apart, and what is neither is nothing', async () => {
  expect(await moduleInfo(bytes(COMPONENT))).toMatchObject({ kind: 'component', wasi: ['wasip2'] });
  expect(await moduleInfo(bytes(Buffer.from('text')))).toBeUndefined();
});

test.each([
  ['cut off', MODULE.subarray(0, 20)],
  ['a custom section longer than the file', bytes(MODULE, Buffer.from([0, 0xff, 0xff, 0x7f, 1]))],
  [
    'producers that claim to be many',
    bytes(
      MODULE,
      custom('producers', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0x61, 0xff, 0xff, 0xff, 0xff, 0x0f])),
    ),
  ],
])('a module that is damaged (%s) is described as far as it can be', async (_, module) => {
  expect(await moduleInfo(bytes(module))).toMatchObject({ kind: 'module' });
});

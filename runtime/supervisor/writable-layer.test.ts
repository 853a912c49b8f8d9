import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../test-folder.ts';
import { makeRootFolder } from './root-folder.ts';
import { WritableLayer } from './writable-layer.ts';

test('a writable layer is what was written beyond the image', async () => {
  using folder = testFolder();
  const [tree, root] = [join(folder.path, 'tree'), join(folder.path, 'root')];
  mkdirSync(tree);
  writeFileSync(join(tree, 'library'), Buffer.alloc(5_000_000, 1));
  await makeRootFolder(root, tree);
  expect((await new WritableLayer(root, tree).usage()).inodesUsed).toBe(0);
  writeFileSync(join(root, 'data'), Buffer.alloc(1_000_000, 1));
  const { usedBytes, inodesUsed } = await new WritableLayer(root, tree).usage();
  expect(inodesUsed).toBe(1);
  expect(usedBytes).toBeGreaterThanOrEqual(1_000_000);
  expect(usedBytes).toBeLessThan(1_100_000);
});

test('without an image tree everything was written', async () => {
  using folder = testFolder();
  const root = join(folder.path, 'root');
  await makeRootFolder(root, undefined);
  writeFileSync(join(root, 'data'), Buffer.alloc(1_000_000, 1));
  expect((await new WritableLayer(root, undefined).usage()).usedBytes).toBeGreaterThanOrEqual(1_000_000);
});

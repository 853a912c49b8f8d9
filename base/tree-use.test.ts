import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isTreeUsed, leaveTree, treeOfEntry, useTree } from './tree-use.ts';

let folder: string;
let tree: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-use-'));
  tree = join(folder, 'tree');
  mkdirSync(tree);
  for (const name of ['a', 'b']) mkdirSync(join(folder, name));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a tree is used until the last user has left it', async () => {
  expect(await isTreeUsed(tree)).toBe(false);
  await useTree(tree, 'a', join(folder, 'a'));
  await useTree(tree, 'a', join(folder, 'a'));
  await useTree(tree, 'b', join(folder, 'b'));
  const beside = readdirSync(folder).filter((name) => treeOfEntry(name) !== name);
  expect(beside.map(treeOfEntry)).toEqual(['tree']);
  await leaveTree(tree, 'a');
  expect(await isTreeUsed(tree)).toBe(true);
  await leaveTree(tree, 'b');
  await leaveTree(tree, 'b');
  expect(await isTreeUsed(tree)).toBe(false);
  expect(readdirSync(folder)).not.toContain('tree.users');
});

test('a user whose folder is gone counts for nothing, and is forgotten', async () => {
  await useTree(tree, 'a', join(folder, 'a'));
  rmSync(join(folder, 'a'), { recursive: true });
  expect(await isTreeUsed(tree)).toBe(false);
  expect(readdirSync(folder)).not.toContain('tree.users');
});

test('a tree that is gone cannot be used', async () => {
  rmSync(tree, { recursive: true });
  await expect(useTree(tree, 'a', join(folder, 'a'))).rejects.toThrow('ENOENT');
});

test('many come and go at once, and none of them is lost', async () => {
  const ids = Array.from({ length: 100 }, (_, index) => `user-${index}`);
  await Promise.all(
    ids.map(async (id) => {
      await useTree(tree, id, join(folder, 'a'));
      expect(await isTreeUsed(tree)).toBe(true);
      await leaveTree(tree, id);
    }),
  );
  expect(existsSync(`${tree}.users`)).toBe(false);
});

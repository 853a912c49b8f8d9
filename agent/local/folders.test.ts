import { mkdirSync, mkdtempDisposableSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { defaultRoot, hintOfLocalNode, nodeFolderOf } from './folders.ts';

test('state is where the system keeps its own for root, and in the home of anybody else', () => {
  expect(defaultRoot({}, true)).toBe('/var/lib/wasmlet-local');
  expect(defaultRoot({ XDG_STATE_HOME: '/state' }, false)).toBe('/state/wasmlet');
  expect(defaultRoot({ XDG_STATE_HOME: '' }, false)).toMatch(/\/\.local\/state\/wasmlet$/);
});

test('whoever asks another node is told of that of wasmlet up, if it is there', () => {
  using state = mkdtempDisposableSync(join(tmpdir(), 'wasmlet-folders-'));
  const node = nodeFolderOf(state.path);
  expect(hintOfLocalNode('/var/lib/wasmlet', node)).toBe('');
  mkdirSync(node, { recursive: true });
  expect(hintOfLocalNode('/var/lib/wasmlet', node)).toBe(`; the node of wasmlet up is at --root-dir ${node}`);
  expect(hintOfLocalNode(node, node)).toBe('');
});

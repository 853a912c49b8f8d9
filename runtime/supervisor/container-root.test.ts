import { closeSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { missingSystemCalls } from '../sandbox/linux/call.ts';
import { mountOverlay } from '../sandbox/linux/overlay.ts';
import { testFolder } from '../test-folder.ts';
import { ContainerRoot } from './container-root.ts';
import { missingOverlay } from './overlay-trial.ts';

const isAble = await (async () => {
  if (process.geteuid?.() !== 0 || missingSystemCalls() !== undefined) return false;
  using folder = testFolder();
  return (await missingOverlay(folder.path)) === undefined;
})();

/** A container's folder, with its root and what is below that. */
async function makeRoot(folder: string, mayMount: boolean): Promise<{ root: ContainerRoot; directory: string }> {
  const [tree, directory] = [join(folder, 'tree'), join(folder, 'container')];
  for (const path of [tree, directory]) mkdirSync(path);
  writeFileSync(join(tree, 'library'), Buffer.alloc(5_000_000, 1));
  const root = new ContainerRoot(directory, tree);
  await root.make(mayMount);
  return { root, directory };
}

/** Mounts it as for a container's start, and takes it down. */
function mountOnce({ forStart: { rootMount } }: ContainerRoot): void {
  if (rootMount === undefined || !('lower' in rootMount)) throw new Error('there is nothing to mount');
  closeSync(mountOverlay(rootMount, 0));
}

test('a root that cannot be mounted is a copy, and stands where the guest is told', async () => {
  using folder = testFolder();
  const { root, directory } = await makeRoot(folder.path, false);
  expect([root.kind, root.forStart, root.forCommand(1)]).toEqual(['copy', {}, {}]);
  expect(readdirSync(directory)).toEqual(['root']);
  await root.renew();
  writeFileSync(join(directory, 'root', 'data'), Buffer.alloc(1_000_000, 1));
  expect(await root.usage()).toMatchObject({ inodesUsed: 1 });
});

test('a root whose path is longer than the kernel takes for a mount is a copy', async () => {
  using folder = testFolder();
  const long = join(folder.path, 'n'.repeat(120), 'm'.repeat(120));
  mkdirSync(long, { recursive: true });
  const { root } = await makeRoot(long, true);
  expect([root.kind, root.forStart]).toEqual(['copy', {}]);
});

test('a trial says why nothing can be mounted', async () => {
  using folder = testFolder();
  const file = join(folder.path, 'file');
  writeFileSync(file, '');
  expect(await missingOverlay(file)).toContain('ENOTDIR');
});

describe.runIf(isAble)('a root that is mounted', () => {
  test('takes on disk what was written, and nothing of its image', async () => {
    using folder = testFolder();
    const { root, directory } = await makeRoot(folder.path, true);
    expect(root.kind).toBe('overlay');
    writeFileSync(join(directory, 'upper', 'data'), Buffer.alloc(1_000_000, 1));
    const { usedBytes, inodesUsed } = await root.usage();
    expect(inodesUsed).toBe(2);
    expect(usedBytes).toBeGreaterThanOrEqual(1_000_000);
    expect(usedBytes).toBeLessThan(1_100_000);
  });

  test('can be mounted for a second start when the first never came about', async () => {
    using folder = testFolder();
    const { root } = await makeRoot(folder.path, true);
    mountOnce(root);
    expect(() => mountOnce(root)).toThrow('an overlay mount cannot be made');
    // By the supervisor after the next, as well.
    await root.renew();
    await root.renew();
    mountOnce(root);
  });

  test('is found out by a trial that leaves nothing', async () => {
    using folder = testFolder();
    expect(await missingOverlay(folder.path)).toBeUndefined();
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

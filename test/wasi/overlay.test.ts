import { closeSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { missingSystemCalls, systemCall } from '../../runtime/sandbox/linux/call.ts';
import { mountOverlay } from '../../runtime/sandbox/linux/overlay.ts';
import { missingOverlay } from '../../runtime/supervisor/overlay-trial.ts';
import { buildFuzzGuest, firstDifference, runOurs, treeOf } from './difference.ts';

const SEEDS = Number(process.env['WASMLET_TEST_OVERLAY_SEEDS'] ?? 2);
const STEPS = 1000;
const TIMEOUT_MS = 600_000;

const AT_FDCWD = -100;
const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
const MNT_DETACH = 2;

/** A file of the image that is open and deleted has a link still, on a mount (docs/runtime.md). */
const withoutLastLinks = (output: string): string => output.replace(/nlink=[01]$/gm, 'nlink=0 or 1');

/** Mounts the folders `upper` and `work` over a tree, as containers have it, at `root`. */
function mountAt(folder: string, lower: string): Disposable & { readonly root: string } {
  const [upper, work, root] = [join(folder, 'upper'), join(folder, 'work'), join(folder, 'root')];
  for (const path of [upper, work, root]) mkdirSync(path);
  const mount = mountOverlay({ lower, upper, work }, 0);
  try {
    systemCall('move_mount', mount, '', AT_FDCWD, root, MOVE_MOUNT_F_EMPTY_PATH);
  } finally {
    closeSync(mount);
  }
  return { root, [Symbol.dispose]: () => systemCall('umount2', root, MNT_DETACH) };
}

test(
  'random file operations have the same results on a mount over an image as on a copy of it',
  { timeout: TIMEOUT_MS },
  async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'wasmlet-overlay-'));
    try {
      const isRoot = process.geteuid?.() === 0 && missingSystemCalls() === undefined;
      const missing = isRoot ? await missingOverlay(folder) : 'mounts need root';
      context.skip(missing !== undefined, missing);
      const guest = readFileSync(await buildFuzzGuest());
      const first = Number(process.env['WASMLET_FUZZ_SEED'] ?? Date.now() % 1_000_000_000);
      for (let seed = first; seed < first + SEEDS; seed++) {
        const at = join(folder, String(seed));
        const [made, image, copy] = [join(at, 'made'), join(at, 'image'), join(at, 'copy')];
        mkdirSync(made, { recursive: true });
        await runOurs(guest, made, ['guest', String(seed), String(STEPS)]);
        // Without its hard links, which come apart in an image when one of them is written.
        for (const target of [image, copy]) cpSync(made, target, { recursive: true, verbatimSymlinks: true });
        const args = ['guest', String(seed + 1_000_000_000), String(STEPS)];
        const before = treeOf(image);
        const onCopy = await runOurs(guest, copy, args);
        using mounted = mountAt(at, image);
        const onMount = await runOurs(guest, mounted.root, args);
        expect(
          firstDifference(withoutLastLinks(onCopy), withoutLastLinks(onMount), 'copy'),
          `seed ${seed}`,
        ).toBeUndefined();
        expect(treeOf(mounted.root)).toBe(treeOf(copy));
        expect(treeOf(image)).toBe(before);
        expect(before.split('\n').length, 'an image with something in it').toBeGreaterThan(1);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

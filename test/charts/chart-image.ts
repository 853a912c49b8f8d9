import { spawnSync } from 'node:child_process';
import { cp, mkdir, appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundle } from '../../build/bundle.ts';
import { debianBase, nodeFiles, whyNoDebian } from '../packaging/image-tools.ts';

/** The image's repository, as the chart has it by default. */
const REPOSITORY = 'registry.example.com/wasmlet';

/**
 * Two releases of the image of the Dockerfile, as the folders of their layers, the topmost first: the bundles, Node with
 * its libraries, a Debian. They differ by a comment, and so are two programs on a machine.
 * @returns by reference; the tags are 'one' and 'two'
 */
export async function chartImages(folder: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const base = [await nodeFiles(join(folder, 'node')), await debianBase()];
  const [one, two] = [join(folder, 'one'), join(folder, 'two')];
  await mkdir(join(one, 'opt'), { recursive: true });
  await bundle(join(one, 'opt/wasmlet'));
  await cp(one, two, { recursive: true });
  for (const name of ['cli.mjs', 'supervisor.mjs']) await appendFile(join(two, 'opt/wasmlet', name), '\n// Two.\n');
  return new Map([
    [`${REPOSITORY}:one`, [one, ...base]],
    [`${REPOSITORY}:two`, [two, ...base]],
  ]);
}

/** Why no container can be run here; on CI that is a failure. @throws Error with why, on CI */
export async function whyNoContainers(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root';
  if (spawnSync('unshare', ['--mount', '--pid', '--fork', 'true']).status !== 0) return 'needs the right to mount';
  return await whyNoDebian();
}

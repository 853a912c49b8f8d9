import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFileAtomic } from '../../base/record.ts';

/** Whether this code runs as TypeScript, from the repository, and not as the published bundle. */
export const isSource = import.meta.url.endsWith('.ts');

/**
 * The file that hosts run. Published, it stands beside the supervisor's bundle. In the repository it is bundled from
 * the sources as they are at this moment: a host from one JavaScript file starts in half the time and memory of one
 * from TypeScript.
 * @param runDirectory where the bundle is put, named by its content
 */
export async function hostCode(runDirectory: string): Promise<string> {
  const here = dirname(fileURLToPath(import.meta.url));
  if (!isSource) return join(here, 'host.cjs');
  const { bundleHost } = await import('../../build/bundle-host.ts');
  const code = await bundleHost();
  const name = `host-${createHash('sha256').update(code).digest('hex').slice(0, 16)}.cjs`;
  await mkdir(runDirectory, { recursive: true, mode: 0o700 });
  const existing = (await readdir(runDirectory)).filter((file) => /^host-.*\.[cm]js$/.test(file));
  if (!existing.includes(name)) await writeFileAtomic(join(runDirectory, name), code);
  // Hosts with users of their own read it; the folder is closed to everybody else.
  await chmod(join(runDirectory, name), 0o644);
  // Hosts that run have read theirs.
  for (const old of existing) if (old !== name) await rm(join(runDirectory, old), { force: true });
  return join(runDirectory, name);
}

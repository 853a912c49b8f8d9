import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, keyOf } from '../support/cache.ts';
import { buildGuest } from '../support/guests.ts';
import type { StandIn } from './images.ts';

/** The programs served in place of those in the suite's images, built where the cache has none. */
export async function standIns(): Promise<readonly StandIn[]> {
  const module = await buildGuest('sleep');
  const folder = await cached({
    path: `standins/pause-${keyOf([module])}`,
    build: async (folder) => {
      await copyFile(module, join(folder, 'pause'));
    },
  });
  return [{ name: 'pause', folder, config: { entrypoint: ['/pause'] } }];
}

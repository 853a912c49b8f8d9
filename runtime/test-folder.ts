import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';

/** A new folder for one test, with a short path: sockets stand in it. Removed when disposed of. */
export function testFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'wl-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The paths of all that is below a folder, from there; what is removed while it is looked at may be missing. */
export function pathsBelow(folder: string): string[] {
  return entriesOf(folder).flatMap((entry) => {
    if (!entry.isDirectory()) return [entry.name];
    return [entry.name, ...pathsBelow(join(folder, entry.name)).map((path) => join(entry.name, path))];
  });
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

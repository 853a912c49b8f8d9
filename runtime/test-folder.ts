import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
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

const entriesOf = (folder: string) => ifThere(() => readdirSync(folder, { withFileTypes: true })) ?? [];

/** What a file holds that may be gone at any time, as may the process that it tells of: '' then. */
export const readIfThere = (path: string): string => ifThere(() => readFileSync(path, 'utf8')) ?? '';

function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../../base/errors.ts';
import { writeFileAtomic } from '../../../base/record.ts';
import { ByteReader } from '../../wasm/bytes.ts';
import { SECTION, splitSections } from '../../wasm/sections.ts';
import { rewriteForPreemption } from '../../wasm/rewrite.ts';

/** What a shared host runs. */
export interface RewrittenModule {
  /** Host path of the module with checks for the end of its slice. */
  readonly path: string;
  /** Host path of the module as it was built, kept where it has line numbers: the rewritten one has none. */
  readonly original?: string;
}

/** Whether a module may share a host with others. */
export type PreparedModule =
  | RewrittenModule
  /** Why it needs a host of its own. */
  | { readonly ownHost: string };

/** Changes with what the rewriting adds: what an earlier release has left is then made anew. */
const FORM = 1;

/** Guests' hosts may be other users, who need no more than to read. */
const FILE_MODE = 0o644;

/**
 * Rewrites a module for shared hosts, once per content: the result is kept in the image store.
 * @param source host path of the module
 * @param folder where results are
 * @throws system errors
 */
export async function prepareModule(source: string, folder: string): Promise<PreparedModule> {
  const bytes = readFileSync(source);
  const digest = createHash('sha256').update(bytes).digest('hex');
  const path = join(folder, `${digest}.${FORM}.wasm`);
  const refusal = join(folder, `${digest}.${FORM}.own-host`);
  const original = join(folder, `${digest}.original.wasm`);
  if (touch(path)) return touch(original) ? { path, original } : { path };
  if (touch(refusal)) return { ownHost: readFileSync(refusal, 'utf8') };
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const result = rewriteForPreemption(bytes);
  if (!result.shareable) {
    await writeFileAtomic(refusal, result.reason, { mode: FILE_MODE });
    return { ownHost: result.reason };
  }
  const hasLines = hasLineNumbers(bytes);
  if (hasLines) await writeFileAtomic(original, bytes, { mode: FILE_MODE });
  await writeFileAtomic(path, result.bytes, { mode: FILE_MODE });
  return hasLines ? { path, original } : { path };
}

function hasLineNumbers(bytes: Uint8Array): boolean {
  return splitSections(bytes).some(
    ({ id, content }) =>
      id === SECTION.custom && new ByteReader(bytes, content.start, content.end).name() === '.debug_line',
  );
}

/** Notes that a file was used; @returns false when it is not there */
function touch(path: string): boolean {
  const now = new Date();
  try {
    utimesSync(path, now, now);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

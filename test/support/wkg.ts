import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { cached } from './cache.ts';
import { whyNoCargo } from './cargo.ts';
import { runOrThrow, type CommandResult } from './command.ts';
import { timed } from './progress.ts';

const VERSION = '0.16.1';
/** Of the crate, which itself has the checksums of all that it is built from. */
const SHA256 = '741d535730e0f9fd55cfb969e86bc43f6e1c8ac931975fa66c974a0cdefd9d04';
const BUILD_TIMEOUT_MS = 30 * 60_000;

export interface Wkg {
  readonly run: (...args: readonly string[]) => Promise<CommandResult>;
}

/** The Bytecode Alliance's client for Wasm in OCI registries, built into the cache folder; or why it is not to be had. */
export async function findWkg(): Promise<Wkg | { readonly missing: string }> {
  const missing = await whyNoCargo();
  if (missing !== undefined) return { missing };
  try {
    const program = join(await cached({ path: `tools/wkg-${VERSION}`, build }), 'bin/wkg');
    return { run: (...args) => runOrThrow(program, args) };
  } catch (error) {
    return { missing: `wkg cannot be built: ${messageOf(error)}` };
  }
}

async function build(folder: string): Promise<void> {
  await timed('building wkg from source', '2 min', async () => {
    const target = join(folder, 'target');
    const args = ['install', 'wkg', '--version', VERSION, '--locked', '--no-default-features', '--root', folder];
    // Not optimised and without debugging information: a third of the time, and it only moves bytes.
    const quickly = ['--debug', '--config', 'profile.dev.debug=false', '--target-dir', target];
    await runOrThrow('cargo', [...args, ...quickly], { timeoutMs: BUILD_TIMEOUT_MS });
    await requirePinned();
    await rm(target, { recursive: true });
  });
}

/** Cargo checks what it downloads against its index; this, against us. */
async function requirePinned(): Promise<void> {
  const cache = join(process.env['CARGO_HOME'] ?? join(homedir(), '.cargo'), 'registry/cache');
  for (const index of await readdir(cache)) {
    const crate = await readFile(join(cache, index, `wkg-${VERSION}.crate`)).catch(() => undefined);
    if (crate === undefined) continue;
    const found = createHash('sha256').update(crate).digest('hex');
    if (found === SHA256) return;
    throw new WasmletError('FailedPrecondition', `crate wkg: checksum ${found}, expected ${SHA256}`);
  }
  throw new WasmletError('FailedPrecondition', `crate wkg ${VERSION} is not in ${cache}`);
}

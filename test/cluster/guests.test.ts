import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { POSIX_MODULE } from '../../wasi/posix/name.ts';
import { buildGuest, GUEST_NAMES, whyNoGuest } from '../support/guests.ts';
import { skipWithout } from '../support/missing.ts';

/** For the toolchain too, once. */
const BUILD_TIMEOUT_MS = 15 * 60_000;
/** The modules that a guest may import functions from; `wasi` has thread-spawn. */
const OFFERED = ['wasi_snapshot_preview1', POSIX_MODULE, 'wasi'];

describe('the guest programs', () => {
  const names = GUEST_NAMES.map((name) => [name] as const);
  test.for(names)('%s compiles to a WASI command', { timeout: BUILD_TIMEOUT_MS }, async ([name], { skip }) => {
    const missing = await whyNoGuest(name);
    if (missing !== undefined) skipWithout(skip, missing);
    const module = await WebAssembly.compile(await readFile(await buildGuest(name)));
    const exports = new Map(WebAssembly.Module.exports(module).map((each) => [each.name, each.kind]));
    expect(exports.get('_start')).toBe('function');
    expect(exports.get('memory')).toBe('memory');
    // One with threads imports its memory, too.
    const imports = WebAssembly.Module.imports(module).filter(({ kind }) => kind !== 'memory');
    const sources = new Set(imports.map((each) => each.module));
    expect([...sources].filter((source) => !OFFERED.includes(source))).toEqual([]);
  });

  test("the trap's functions keep their names", async () => {
    const bytes = await readFile(await buildGuest('trap'), 'latin1');
    // The name section, which is the last but one, lists functions by index.
    expect(bytes.slice(bytes.lastIndexOf('\x04name'))).toMatch(/inner[^]*middle[^]*outer/);
  });
});

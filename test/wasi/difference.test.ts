import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { skipWithout } from '../support/missing.ts';
import { findWasmtime } from '../support/wasmtime.ts';
import { buildFuzzGuest, compare } from './difference.ts';

const SEEDS = 12;
const STEPS = 2000;
const TIMEOUT_MS = 300_000;

// The first run installs wasmtime and compiles the guest.
test('random file operations have the same results as under wasmtime', { timeout: TIMEOUT_MS }, async (context) => {
  const wasmtime = await findWasmtime();
  if ('missing' in wasmtime) {
    skipWithout((why) => context.skip(why), wasmtime.missing);
    return;
  }
  const first = Number(process.env['WASMLET_FUZZ_SEED'] ?? Date.now() % 1_000_000_000);
  const folder = mkdtempSync(join(tmpdir(), 'wasmlet-fuzz-'));
  try {
    const seeds = Array.from({ length: SEEDS }, (_, index) => first + index);
    const module = await buildFuzzGuest();
    expect(await compare({ module, wasmtime, folder, seeds, steps: STEPS })).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

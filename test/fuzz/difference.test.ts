import { describe, expect, test } from 'vitest';
import { decodeModule } from '../../runtime/wasm/decode.ts';
import { whyNoCargo } from '../support/cargo.ts';
import { Difference } from './difference.ts';
import { realModules, smithModules } from './modules.ts';

/** For more, `node test/fuzz/main.ts FIRST_SEED MODULES`. */
const MODULES = 60;
/** For building the generator and the programs, once. */
const TIMEOUT_MS = 30 * 60_000;

const missing = await whyNoCargo();
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing);

describe('on the interpreter is the same as on V8, with all that is left in memory:', () => {
  test(`what ${MODULES} modules of wasm-smith's do`, { timeout: TIMEOUT_MS }, async ({ skip }) => {
    if (missing !== undefined) skip(missing);
    const difference = new Difference();
    for (const [index, bytes] of (await smithModules(1, MODULES)).entries()) difference.smith(bytes, 1 + index);
    expect(difference.tally.differences).toEqual([]);
    expect(difference.tally.executions).toBeGreaterThan(MODULES);
  });

  test(`what ${MODULES} mutated programs do`, { timeout: TIMEOUT_MS }, async () => {
    const difference = new Difference();
    const real = (await realModules()).map(decodeModule);
    for (let seed = 1; seed <= MODULES; seed++) {
      const original = real[seed % real.length];
      if (original !== undefined) difference.mutated(original, seed);
    }
    expect(difference.tally.differences).toEqual([]);
    expect(difference.tally.executions).toBeGreaterThan(MODULES);
  });
});

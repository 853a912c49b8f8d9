/**
 * Runs modules of wasm-smith's and mutated programs on both engines, for as long as one likes:
 * `node test/fuzz/main.ts FIRST_SEED MODULES`. Says what it has done, and exits with 1 when the engines differ.
 */
import { decodeModule } from '../../runtime/wasm/decode.ts';
import { Difference } from './difference.ts';
import { realModules, smithModules } from './modules.ts';

const BATCH = 200;

const [first = 1, count = 1000] = process.argv.slice(2).map(Number);
const difference = new Difference();
const real = (await realModules()).map(decodeModule);
for (let seed = first; seed < first + count; seed += BATCH) {
  for (const [index, bytes] of (await smithModules(seed, BATCH)).entries()) {
    difference.smith(bytes, seed + index);
    const original = real[(seed + index) % real.length];
    if (original !== undefined) difference.mutated(original, seed + index);
  }
  process.stdout.write(`${JSON.stringify({ seed: seed + BATCH, ...difference.tally })}\n`);
}
process.exitCode = difference.tally.differences.length > 0 ? 1 : 0;

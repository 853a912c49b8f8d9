import wabt from 'wabt';
import { WasmletError } from '../../base/errors.ts';
import { HookFunctions } from '../../runtime/engine/v8/hooks.ts';
import { rewriteForPreemption } from '../../runtime/wasm/rewrite.ts';
import type { Benchmark } from './benchmark.ts';
import { geometricMean, median } from './statistics.ts';

const RUNS = 9;
/** Until the code of both is as fast as it gets. */
const WARM_UP = 3;

/** Programs that do nothing but compute, each with its worst kind of check: calls, a tight loop, nested loops on memory. */
const KERNELS = {
  fib: `(module (func $fib (param i32) (result i32)
      (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0)) (else (i32.add
        (call $fib (i32.sub (local.get 0) (i32.const 1)))
        (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
    (func (export "run") (drop (call $fib (i32.const 31)))))`,
  loop: `(module (global $sum (mut i64) (i64.const 0))
    (func (export "run") (local $n i32) (local $sum i64)
      (local.set $n (i32.const 50000000))
      (loop $again
        (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.extend_i32_u (local.get $n))))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (global.set $sum (local.get $sum))))`,
  sieve: `(module (memory 64)
    (func (export "run") (local $i i32) (local $j i32)
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 4000000))
      (local.set $i (i32.const 2))
      (loop $outer
        (if (i32.eqz (i32.load8_u (local.get $i))) (then
          (local.set $j (i32.mul (local.get $i) (local.get $i)))
          (block $done (loop $inner
            (br_if $done (i32.ge_u (local.get $j) (i32.const 4000000)))
            (i32.store8 (local.get $j) (i32.const 1))
            (local.set $j (i32.add (local.get $j) (local.get $i)))
            (br $inner)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $outer (i32.lt_u (local.get $i) (i32.const 2000))))))`,
} as const;

/** What being preemptible costs a guest that computes: its time with the checks of wasm-shared by that without. */
export const preemption: Benchmark = {
  name: 'preemption',
  figures: ['preemption.geomean'],
  async run(_open, report) {
    const ratios: number[] = [];
    for (const [name, text] of Object.entries(KERNELS)) {
      const ratio = await ratioOf(text);
      report(`${name}: ${ratio.toFixed(2)} times as long`);
      ratios.push(ratio);
    }
    return [{ name: 'preemption.geomean', value: geometricMean(ratios) }];
  },
};

async function ratioOf(text: string): Promise<number> {
  const bytes = await assembled(text);
  const plain = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports['run'] as () => void;
  const checked = preemptible(bytes);
  const times = { plain: [] as number[], checked: [] as number[] };
  // By turns, so that what else the machine does meets both.
  for (let run = 0; run < WARM_UP + RUNS; run++) {
    const [ofPlain, ofChecked] = [timeOf(plain), timeOf(checked)];
    if (run < WARM_UP) continue;
    times.plain.push(ofPlain);
    times.checked.push(ofChecked);
  }
  return median(times.checked) / median(times.plain);
}

function timeOf(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

/** As a shared host has it, but that nobody ends its slices. */
function preemptible(bytes: Uint8Array<ArrayBuffer>): () => void {
  const rewritten = rewriteForPreemption(bytes);
  if (!rewritten.shareable) throw new WasmletError('Internal', rewritten.reason);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(rewritten.bytes));
  const hooks = new HookFunctions({ giveUp: () => Promise.resolve(), grow: () => undefined });
  hooks.attach({ exports, memory: { buffer: new ArrayBuffer(0) }, run: () => Promise.resolve() });
  return exports['run'] as () => void;
}

async function assembled(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const parsed = (await wabt()).parseWat('kernel.wat', text);
  try {
    return new Uint8Array(parsed.toBinary({}).buffer);
  } finally {
    parsed.destroy();
  }
}

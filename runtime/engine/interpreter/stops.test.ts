import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { wat } from '../v8/test-wat.ts';
import { saveMachine } from './machine/snapshot.ts';
import { CALLED, endOf, TestGuest } from './test-guest.ts';

/** Instructions at which a guest is stopped, from its first on; WASMLET_TEST_STOPS=10000 for a long run. */
const STOPS = Number(process.env['WASMLET_TEST_STOPS'] ?? 400);
/** States that one process puts back. */
const BATCH = 500;
const TIMEOUT_MS = 3_600_000;

/** Calls of every kind, memory that grows, floats, vectors, exceptions, tables, bulk operations. */
const PROGRAM = `(module
  (memory (export "memory") 1 4)
  (global $sum (mut i64) (i64.const 0))
  (global $float (mut f64) (f64.const 0.5))
  (table $t 4 8 funcref)
  (elem $later func $double $square $fails)
  (data $text "what is copied in")
  ${CALLED}
  (func $lanes (param i32) (result i32) (local v128)
    (local.set 1 (i32x4.mul (i32x4.splat (local.get 0)) (v128.const i32x4 1 2 3 4)))
    (v128.store offset=64 (i32.const 0) (local.get 1))
    (i32x4.extract_lane 3 (local.get 1)))
  (func $tail (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 7))))
    (return_call $tail (i32.sub (local.get 0) (i32.const 1))))
  (func (export "main") (param $n i32) (local $i i32) (local $v i32)
    (table.init $t $later (i32.const 0) (i32.const 0) (i32.const 3))
    (elem.drop $later)
    (memory.init $text (i32.const 128) (i32.const 0) (i32.const 17))
    (data.drop $text)
    (loop $again
      (local.set $v (try (result i32)
        (do (call_indirect $t (type $op) (local.get $i) (i32.rem_u (local.get $i) (i32.const 3))))
        (catch $odd (i32.const 1) (i32.add))))
      (if (i32.eq (i32.rem_u (local.get $i) (i32.const 20)) (i32.const 5)) (then (drop (memory.grow (i32.const 1)))))
      (local.set $v (i32.add (local.get $v) (call $lanes (local.get $i))))
      (local.set $v (i32.add (local.get $v) (call $tail (i32.and (local.get $i) (i32.const 3)))))
      (local.set $v (i32.add (local.get $v) (call $fib (i32.and (local.get $i) (i32.const 7)))))
      (memory.copy (i32.const 256) (i32.const 64) (i32.const 100))
      (global.set $float (f64.sqrt (f64.add (global.get $float) (f64.convert_i32_s (local.get $v)))))
      (global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 31)) (i64.extend_i32_s (local.get $v))))
      (i64.store (i32.shl (local.get $i) (i32.const 3)) (global.get $sum))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))))`;
/** Rounds for more than 10,000 instructions. */
const ROUNDS = 100;

const folder = mkdtempSync(join(tmpdir(), 'stops-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Puts states back in a process that has not saved them. @returns how each ended */
function endsElsewhere(module: string, states: readonly Uint8Array[]): string[] {
  const file = join(folder, 'states');
  const parts = states.flatMap((state) => [Buffer.from(Uint32Array.of(state.length).buffer), state]);
  writeFileSync(file, Buffer.concat(parts));
  const script = join(import.meta.dirname, 'test-restore.ts');
  return execFileSync(process.execPath, [script, module, file], { encoding: 'utf8', maxBuffer: 2 ** 28 })
    .trim()
    .split('\n');
}

test(
  `a guest that was stopped at each of its first ${STOPS} instructions ends in another process as one that ran through`,
  { timeout: TIMEOUT_MS },
  () => {
    const bytes = wat(PROGRAM);
    const module = join(folder, 'module.wasm');
    writeFileSync(module, bytes);
    const whole = new TestGuest(bytes);
    whole.begin('main', ROUNDS);
    const end = endOf(whole);
    expect(whole.machine.fuelUsed).toBeGreaterThan(10_000);
    const guest = new TestGuest(bytes);
    guest.begin('main', ROUNDS);
    for (let first = 0; first < STOPS; first += BATCH) {
      const states: Uint8Array[] = [];
      for (let stop = first; stop < Math.min(first + BATCH, STOPS); stop++) {
        guest.machine.fuel.limit = stop;
        while (guest.machine.resume().kind === 'slice');
        states.push(saveMachine(guest.machine, guest.instance, null));
      }
      expect(new Set(endsElsewhere(module, states))).toEqual(new Set([end]));
    }
    expect(endOf(guest)).toBe(end);
  },
);

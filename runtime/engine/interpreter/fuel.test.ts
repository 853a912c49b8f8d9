import { describe, expect, test } from 'vitest';
import { restoreMachine, saveMachine } from './machine/snapshot.ts';
import { CALLED, TestGuest } from './test-guest.ts';

/** Calls, direct and not, loops, tables of branches, memory, exceptions, floats: a bit of everything that costs. */
const PROGRAM = `(module
  (memory (export "memory") 1 4)
  (global $sum (mut i64) (i64.const 0))
  (table funcref (elem $double $square $fails))
  ${CALLED}
  (func $pick (param i32) (result i32)
    (block $c (block $b (block $a (br_table $a $b $c (local.get 0))) (return (i32.const 10))) (return (i32.const 20)))
    (i32.const 30))
  (func (export "main") (param $n i32) (result i64) (local $i i32) (local $v i32)
    (loop $again
      (local.set $v (try (result i32)
        (do (call_indirect (type $op) (local.get $i) (i32.rem_u (local.get $i) (i32.const 3))))
        (catch $odd (i32.add (i32.const 1000)))))
      (i32.store (i32.shl (i32.and (local.get $i) (i32.const 1023)) (i32.const 2))
        (i32.add (local.get $v) (call $pick (i32.rem_u (local.get $i) (i32.const 4)))))
      (if (i32.eq (local.get $i) (i32.const 5)) (then (drop (memory.grow (i32.const 1)))))
      (global.set $sum (i64.add (global.get $sum) (i64.extend_i32_u
        (i32.load (i32.shl (i32.and (local.get $i) (i32.const 1023)) (i32.const 2))))))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i64.add (global.get $sum) (i64.extend_i32_u (call $fib (i32.const 7))))))`;

/** Runs `main` to its end, however often it stands still on the way. */
function runSliced(slice: number | (() => number)) {
  const guest = new TestGuest(PROGRAM);
  const { fuel } = guest.machine;
  guest.begin('main', 40);
  let pauses = 0;
  for (;;) {
    fuel.slice = typeof slice === 'number' ? slice : slice();
    if (guest.machine.resume().kind === 'done') break;
    pauses++;
  }
  const memory = Buffer.from(guest.instance.memories[0]!.buffer as ArrayBuffer);
  return {
    pauses,
    used: guest.machine.fuelUsed,
    sum: guest.instance.globalValue(0),
    memory: memory.toString('base64'),
  };
}

/** Runs until no fuel is left of what the limit allows. */
function stopAt(limit: number): TestGuest {
  const guest = new TestGuest(PROGRAM);
  guest.machine.fuel.limit = limit;
  guest.begin('main', 40);
  while (guest.machine.resume().kind === 'slice');
  return guest;
}

function runOn(guest: TestGuest) {
  guest.machine.fuel.limit = Infinity;
  while (guest.machine.resume().kind !== 'done');
  return { used: guest.machine.fuelUsed, sum: guest.instance.globalValue(0) };
}

describe('fuel', () => {
  test('counts instructions of Wasm, but for those that are no work', () => {
    const guest = new TestGuest(`(module (func (export "f") (param i32) (result i32)
      (nop) (block (drop (local.get 0)))
      (if (result i32) (local.get 0) (then (i32.add (local.get 0) (i32.const 1))) (else (i32.const 9)))))`);
    guest.call('f', 1);
    // local.get, local.get, if, local.get, i32.const, i32.add
    expect(guest.machine.fuelUsed).toBe(6);
    guest.call('f', 0);
    // local.get, local.get, if, i32.const
    expect(guest.machine.fuelUsed).toBe(10);
  });

  test('is the same over 100 slicings, and so is the result', () => {
    const whole = runSliced(1e6);
    expect(whole.used).toBeGreaterThan(2000);
    let seed = 1;
    const random = () => ((seed = (seed * 48_271) % 0x7fff_ffff), 1 + (seed % 97));
    for (let n = 0; n < 100; n++) {
      const sliced = runSliced(n < 50 ? n + 1 : random);
      expect(sliced.pauses).toBeGreaterThan(0);
      expect({ ...sliced, pauses: 0 }).toEqual({ ...whole, pauses: 0 });
    }
  });

  test('stops a guest before the first instruction that it does not pay for', () => {
    const whole = runSliced(1e6);
    let last = -1;
    for (let limit = 0; limit < 300; limit++) {
      const guest = stopAt(limit);
      const { fuelUsed } = guest.machine;
      expect(fuelUsed).toBeLessThanOrEqual(limit);
      // An instruction of the interpreter is up to a few of Wasm's.
      expect(limit - fuelUsed).toBeLessThan(8);
      expect(fuelUsed).toBeGreaterThanOrEqual(last);
      last = fuelUsed;
    }
    expect(stopAt(whole.used - 1).machine.resume().kind).toBe('limit');
    expect(stopAt(whole.used).machine.resume().kind).toBe('done');
  });

  test('ends a call without more of it, as a trap with the guest’s stack', () => {
    const guest = new TestGuest('(module (func $spin (export "f") (loop (br 0))))');
    guest.machine.fuel.limit = 1000;
    expect(() => guest.call('f')).toThrow('all fuel consumed');
    expect(guest.machine.fuelUsed).toBe(1000);
  });
});

describe('a saved guest', () => {
  test('that was stopped anywhere ends as one that ran through', { timeout: 600_000 }, () => {
    const { used, sum } = runSliced(1e6);
    for (let limit = 0; limit < used; limit += limit < 200 ? 1 : 17) {
      const stopped = stopAt(limit);
      const saved = saveMachine(stopped.machine, stopped.instance, { limit });
      const restored = new TestGuest(PROGRAM);
      expect(restoreMachine(restored.machine, restored.instance, saved)).toEqual({ limit });
      expect(restored.machine.fuelUsed).toBe(stopped.machine.fuelUsed);
      expect(runOn(restored)).toEqual({ used, sum });
    }
  });

  test('is refused when it is damaged, cut off, of another module, or no saved guest', () => {
    const stopped = stopAt(500);
    const saved = saveMachine(stopped.machine, stopped.instance, null);
    const restore = (bytes: Uint8Array, program = PROGRAM) => {
      const guest = new TestGuest(program);
      return () => restoreMachine(guest.machine, guest.instance, bytes);
    };
    const damaged = saved.slice();
    damaged[damaged.length >> 1]! ^= 1;
    const newer = saved.slice();
    newer[8] = 2;
    expect(restore(damaged)).toThrow(/it is damaged/);
    expect(restore(saved.subarray(0, -1))).toThrow(/it is cut off/);
    expect(restore(newer)).toThrow(/its format has version 2, not 1/);
    expect(restore(new Uint8Array(100))).toThrow(/the bytes are no saved guest/);
    expect(restore(saved, PROGRAM.replace('(i32.const 30)', '(i32.const 31)'))).toThrow(/it is of another module/);
    expect(restore(saved, '(module)')).toThrow(/another release of the interpreter|another module/);
  });
});

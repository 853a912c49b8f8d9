import { describe, expect, test } from 'vitest';
import { TestGuest } from './test-guest.ts';

describe('exceptions', () => {
  test('that are caught and gone are forgotten, those that are kept are not', () => {
    const guest = new TestGuest(`(module
      (tag $e (param i32))
      (func (export "f") (param $n i32) (result i32) (local $sum i32)
        (try (result i32)
          (do (throw $e (i32.const 77)))
          (catch $e
            (loop $again
              (try (do (throw $e (local.get $n))) (catch $e (local.set $sum (i32.add (local.get $sum)))))
              (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (drop)
            (local.get $sum)))))`);
    expect(guest.call('f', 5000)).toEqual([(5000 * 5001) / 2]);
    expect(guest.machine.store.exceptions.size).toBeLessThan(2000);
  });

  test('are thrown on from within their handler, with their values', () => {
    const guest = new TestGuest(`(module
      (tag $e (param i32 i64))
      (func $inner (try (do (throw $e (i32.const 5) (i64.const 6))) (catch $e (drop) (drop) (rethrow 0))))
      (func (export "f") (result i32 i64)
        (try (result i32 i64) (do (call $inner) (i32.const 0) (i64.const 0)) (catch $e))))`);
    expect(guest.call('f')).toEqual([5, 6n]);
  });
});

test('a function with more locals than registers can name is refused when it is called', () => {
  const guest = new TestGuest(`(module (func $huge ${'(local i64)'.repeat(9000)})
    (func (export "f") (result i32) (call $huge) (i32.const 1)) (func (export "g") (result i32) (i32.const 2)))`);
  expect(guest.call('g')).toEqual([2]);
  expect(() => guest.call('f')).toThrow(/function huge cannot be run: it needs more than 8191 locals and operands/);
});

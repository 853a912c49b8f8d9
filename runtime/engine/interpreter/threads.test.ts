import { expect, test } from 'vitest';
import type { Guest, HostImports } from '../engine.ts';
import { wat } from '../v8/test-wat.ts';
import { interpreterEngine } from './engine.ts';

// What threads do in containers, on both engines: runtime/threads.test.ts.

/** Three threads that each go round so often; the first waits for them. */
const program = (rounds: number): string => `(module
  (import "env" "memory" (memory 1 1 shared))
  (func $spawn (import "wasi" "thread-spawn") (param i32) (result i32))
  (func $show (import "h" "show") (param i32))
  (export "memory" (memory 0))
  (func (export "wasi_thread_start") (param i32) (param $left i32)
    (loop $again
      (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))
  (func (export "_start")
    (drop (call $spawn (i32.const ${rounds})))
    (drop (call $spawn (i32.const ${rounds})))
    (drop (call $spawn (i32.const ${rounds})))
    (if (i32.lt_u (i32.atomic.load (i32.const 0)) (i32.const 3))
      (then (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const 1000000)))))
    (loop $again (br_if $again (i32.lt_u (i32.atomic.load (i32.const 0)) (i32.const 3))))
    (call $show (i32.atomic.load (i32.const 4)))))`;

async function guestOf(text: string, shown: number[]): Promise<Guest> {
  const imports: HostImports = { h: { show: { suspends: false, call: (value: number) => void shown.push(value) } } };
  return (await interpreterEngine.compile(wat(text))).instantiate(imports);
}

test('the fuel of a guest with threads is that of all of them', { timeout: 120_000 }, async () => {
  const rounds = 100_000;
  const shown: number[] = [];
  const guest = await guestOf(program(rounds), shown);
  let used = 0;
  guest.watchFuel?.((fuel) => (used = fuel));
  await guest.run('_start');
  expect(shown).toEqual([3 * rounds]);
  // A round is eight instructions, for drop and loop are free: const, const, add, get, const, sub, tee, br_if.
  expect(used).toBeGreaterThanOrEqual(3 * rounds * 8);
});

test('a guest with threads is not saved, and is told so', async () => {
  const guest = (await guestOf(program(1), [])) as Guest & { save(): unknown };
  expect(() => guest.save()).toThrow(/a guest with threads is not saved/);
});

test('a thread that leaves an exception uncaught ends the guest', { timeout: 120_000 }, async () => {
  const guest = await guestOf(
    `(module (import "env" "memory" (memory 1 1 shared)) (export "memory" (memory 0)) (tag $e)
      (func (export "_start") (throw $e)))`,
    [],
  );
  await expect(guest.run('_start')).rejects.toThrow('exception that the guest did not catch');
});

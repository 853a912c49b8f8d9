import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { wat } from '../v8/test-wat.ts';
import { interpreterEngine } from './engine.ts';
import { InterpretedGuest } from './guest.ts';

/** Tells the host of each of ten steps, computes between them, and checks its memory at the end. */
const PROGRAM = `(module
  (import "h" "step" (func $step (param i32 i32)))
  (memory (export "memory") 1)
  (global $hash (mut i32) (i32.const 1))
  (func $work (param $n i32) (result i32)
    (loop $again
      (global.set $hash (i32.add (i32.mul (global.get $hash) (i32.const 31)) (local.get $n)))
      (i32.store (i32.and (local.get $n) (i32.const 0xfffc)) (global.get $hash))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.load (i32.const 1000)))
  (func (export "_start") (local $i i32)
    (loop $again
      (call $step (local.get $i) (call $work (i32.const 20000)))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))))`;

async function start(
  bytes: Uint8Array<ArrayBuffer>,
  steps: string[],
  onStep?: (guest: InterpretedGuest, n: number) => void,
): Promise<InterpretedGuest> {
  const step = (n: number, hash: number) => {
    steps.push(`${n} ${hash}`);
    onStep?.(guest, n);
  };
  const module = await interpreterEngine.compile(bytes);
  const instance = await module.instantiate({ h: { step: { suspends: false, call: step } } });
  expect(instance).toBeInstanceOf(InterpretedGuest);
  const guest = instance as unknown as InterpretedGuest;
  return guest;
}

/** The steps of a guest that ran through. */
async function wholeRun(): Promise<{ steps: string[]; used: number }> {
  const steps: string[] = [];
  const guest = await start(wat(PROGRAM), steps);
  await guest.run('_start');
  return { steps, used: guest.machine.fuelUsed };
}

test('a guest that is paused from outside stands still, and goes on when it is let', async () => {
  const whole = await wholeRun();
  const steps: string[] = [];
  const guest = await start(wat(PROGRAM), steps);
  guest.machine.fuel.slice = 50_000;
  const paused = guest.pause();
  const running = guest.run('_start');
  await paused;
  const seen = steps.length;
  expect(seen).toBeLessThan(10);
  const used = guest.machine.fuelUsed;
  await new Promise((resolve) => setImmediate(resolve));
  expect([steps.length, guest.machine.fuelUsed]).toEqual([seen, used]);
  guest.proceed();
  await running;
  expect(steps).toEqual(whole.steps);
});

test(
  'a guest that was saved while it ran goes on in another process, with all that it calls',
  { timeout: 60_000 },
  async () => {
    const whole = await wholeRun();
    const folder = mkdtempSync(join(tmpdir(), 'saved-'));
    try {
      const steps: string[] = [];
      const bytes = wat(PROGRAM);
      const asked = Promise.withResolvers<undefined>();
      const guest = await start(bytes, steps, (running, n) => {
        if (n === 4) void running.pause().then(() => asked.resolve(undefined));
      });
      guest.machine.fuel.slice = 50_000;
      void guest.run('_start');
      await asked.promise;
      expect(steps).toHaveLength(5);
      writeFileSync(join(folder, 'guest.wasm'), bytes);
      writeFileSync(join(folder, 'saved'), guest.save());
      const script = `
      import { readFileSync, writeFileSync } from 'node:fs';
      import { interpreterEngine } from ${JSON.stringify(join(import.meta.dirname, 'engine.ts'))};
      const steps = [];
      const module = await interpreterEngine.compile(new Uint8Array(readFileSync('guest.wasm')));
      const call = (n, hash) => void steps.push(n + ' ' + hash);
      const guest = await module.instantiate({ h: { step: { suspends: false, call } } });
      await guest.resume(readFileSync('saved'));
      writeFileSync('result', JSON.stringify({ steps, used: guest.machine.fuelUsed }));`;
      writeFileSync(join(folder, 'resume.mjs'), script);
      execFileSync(process.execPath, ['resume.mjs'], { cwd: folder });
      const result = JSON.parse(readFileSync(join(folder, 'result'), 'utf8')) as typeof whole;
      expect({ steps: [...steps, ...result.steps], used: result.used }).toEqual(whole);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

test('a guest that does not run is not saved', async () => {
  const guest = await start(wat(PROGRAM), []);
  expect(() => guest.save()).toThrow(/a guest that does not run is not saved/);
});

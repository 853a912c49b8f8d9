import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Breakpoints, callStack } from './machine/inspect.ts';
import { Profile } from './machine/profile.ts';
import { TestGuest } from './test-guest.ts';

const PROGRAM = `(module
  (func $leaf (param $value i32) (param $scale f64) (result i32) (local $twice i64)
    (local.set $twice (i64.mul (i64.extend_i32_s (local.get $value)) (i64.const 2)))
    (i32.wrap_i64 (local.get $twice)))
  (func $middle (param $value i32) (result i32)
    (i32.add (call $leaf (local.get $value) (f64.const 1.5)) (i32.const 1)))
  (func $light (result i32) (i32.const 1))
  (func $main (export "main") (param $n i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (i32.add (call $light) (call $middle (local.get $n)))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum)))`;

describe('breakpoints', () => {
  test('make the machine stand still each time, with the calls and their locals to be seen', () => {
    const guest = new TestGuest(PROGRAM);
    const breakpoints = new Breakpoints(guest.machine);
    const address = breakpoints.add(guest.instance, 0)!;
    guest.begin('main', 3);
    const resume = () => {
      for (;;) {
        const { kind } = guest.machine.resume();
        if (kind !== 'slice') return kind;
      }
    };
    for (const n of [3, 2]) {
      expect(resume()).toBe('breakpoint');
      const stack = callStack(guest.machine);
      expect(stack.map((frame) => frame.function)).toEqual(['leaf', 'middle', 'main']);
      expect(stack[0]!.locals.slice(0, 2)).toEqual([
        { name: 'value', type: 'i32', value: n },
        { name: 'scale', type: 'f64', value: 1.5 },
      ]);
      expect(stack[2]!.locals[0]).toEqual({ name: 'n', type: 'i32', value: n });
    }
    breakpoints.remove(address);
    expect(resume()).toBe('done');
  });

  test('are for every line of the source, also where one instruction does the work of several', () => {
    const { instance, machine } = new TestGuest(PROGRAM);
    instance.linesOf = (offsets) => new Map(offsets.map((offset) => [offset, `main.c:${offset}`]));
    const breakpoints = new Breakpoints(machine);
    const start = breakpoints.add(instance, 3)!;
    const { map } = machine.store.code.describe(machine.store.code.at(start)!);
    expect(map.joined.length).toBeGreaterThan(0);
    for (const { instruction, source } of map.joined) {
      expect(breakpoints.add(instance, 3, `main.c:${source}`)).toBe(start + map.offsets[instruction]!);
    }
  });

  test('change neither the result nor the fuel', () => {
    const plain = new TestGuest(PROGRAM);
    const expected = plain.call('main', 20);
    const guest = new TestGuest(PROGRAM);
    for (const index of [0, 1, 2]) new Breakpoints(guest.machine).add(guest.instance, index);
    guest.begin('main', 20);
    let stops = 0;
    for (;;) {
      const { kind } = guest.machine.resume();
      if (kind === 'done') break;
      if (kind === 'breakpoint') stops++;
    }
    expect(stops).toBe(60);
    expect(guest.machine.fuelUsed).toBe(plain.machine.fuelUsed);
    // The result is where the frame of the call began.
    expect([guest.machine.host.read(0x7f, guest.machine.free)]).toEqual(expected);
  });
});

describe('a profile', () => {
  const profiled = () => {
    const guest = new TestGuest(PROGRAM);
    const profile = new Profile(7);
    guest.machine.fuel.slice = 7;
    guest.begin('main', 200);
    while (guest.machine.resume().kind !== 'done') profile.sample(guest.machine);
    return { profile, used: guest.machine.fuelUsed };
  };

  test('is the same for each run of a program, and finds where the fuel goes', () => {
    const { profile, used } = profiled();
    expect(profiled().profile.encode()).toEqual(profile.encode());
    const top = profile.top();
    const all = top.reduce((sum, { own }) => sum + own, 0);
    expect(Math.abs(all - used) / used).toBeLessThan(0.05);
    expect(top.find(({ name }) => name === 'main')).toMatchObject({ total: all });
    expect(top.map(({ name }) => name)).toContain('leaf');
  });

  const goIsHere = ((): boolean => {
    try {
      execFileSync('go', ['version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  })();

  test.skipIf(!goIsHere)('is read by pprof (skipped where Go is not installed)', { timeout: 120_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'profile-'));
    try {
      const path = join(folder, 'guest.pprof');
      writeFileSync(path, profiled().profile.encode());
      const text = execFileSync('go', ['tool', 'pprof', '-top', path], { encoding: 'utf8' });
      expect(text).toMatch(/Type: fuel/);
      expect(text).toMatch(/100% {2}main$/m);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

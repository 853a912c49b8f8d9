import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { WasiExit } from '../../wasi/wasi.ts';
import { GuestTrap, type HostImports } from './engine.ts';
import { engineFor } from './index.ts';
import { wat } from './v8/test-wat.ts';

describe.each(['v8', 'interpreter'] as const)('%s', (name) => {
  const engine = engineFor(name);

  const start = async (text: string, imports: HostImports = {}) =>
    (await engine.compile(wat(text))).instantiate(imports);

  const run = async (text: string, imports: HostImports = {}) => (await start(text, imports)).run('_start');

  const trapOf = async (running: Promise<void>): Promise<GuestTrap> => {
    const error: unknown = await running.then(
      () => 'returned',
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(GuestTrap);
    return error as GuestTrap;
  };

  describe('what does not compile is told with its reason', () => {
    const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));
    test.each([
      ['', /but is empty/],
      ['\x7fELF\x02\x01\x01\x00\x00', /a Linux program \(ELF\)/],
      ['(module (func))', /Wasm in its text format/],
      ['\0asm\x0d\0\x01\0', /a component \(WASI 0\.2\).*wasm32-wasip1/],
      ['\0asm\x02\0\0\0', /version 2 is unknown/],
      ['\0asm\x01\0\0\0\xff', /not a valid Wasm module: .* \(at offset \d+\)/],
    ])('%j', async (content, message) => {
      await expect(engine.compile(bytes(content))).rejects.toMatchObject({ code: 'InvalidArgument' });
      await expect(engine.compile(bytes(content))).rejects.toThrow(message);
    });

    test('a function that does not validate, with its offset', async () => {
      const broken = wat('(module (func $f (export "_start") (result i32)))');
      await expect(engine.compile(broken)).rejects.toThrow(/^not a valid Wasm module: .* \(at offset \d+\)$/);
    });
  });

  describe('linking', () => {
    test('missing imports are all named', async () => {
      const text =
        '(module (import "env" "foo" (func)) (import "env" "mem" (memory 1)) (import "x" "toString" (func)))';
      await expect(start(text, { x: {} })).rejects.toMatchObject({ code: 'InvalidArgument' });
      await expect(start(text, { x: {} })).rejects.toThrow(
        'imports env.foo, env.mem (a memory), x.toString, which wasmlet',
      );
    });

    test('a WASI module without its memory exported is told so', async () => {
      const text = '(module (import "wasi_snapshot_preview1" "f" (func)) (memory 1) (func (export "_start")))';
      const imports = { wasi_snapshot_preview1: { f: { suspends: false, call: () => 0 } } };
      await expect(start(text, imports)).rejects.toThrow("exports no memory of the name 'memory'");
    });

    test('an export that is missing: a reactor and a library are told apart', async () => {
      await expect(run('(module (func (export "_initialize")))')).rejects.toThrow(/_start: it is a reactor/);
      await expect(run('(module (memory (export "_start") 1))')).rejects.toThrow(/exports no function _start/);
    });

    test('a memory larger than there can be', async () => {
      const guest = await start('(module (memory (export "memory") 2) (func (export "_start")))');
      expect(guest.memory.buffer.byteLength).toBe(131_072);
    });
  });

  describe('imports', () => {
    const text = `(module (import "h" "f" (func $f (param i32) (result i32)))
    (func (export "_start") (if (i32.ne (call $f (i32.const 20)) (i32.const 21)) (then unreachable))))`;

    test('are called, with or without a promise', async () => {
      await run(text, { h: { f: { suspends: false, call: (n: number) => n + 1 } } });
      await run(text, { h: { f: { suspends: true, call: (n: number) => n + 1 } } });
      await run(text, { h: { f: { suspends: true, call: (n: number) => Promise.resolve(n + 1) } } });
    });

    test('what they throw passes through the guest unchanged, at once or later', async () => {
      const exit = new WasiExit(7);
      const now = () => {
        throw exit;
      };
      await expect(run(text, { h: { f: { suspends: false, call: now } } })).rejects.toBe(exit);
      await expect(run(text, { h: { f: { suspends: true, call: () => Promise.reject(exit) } } })).rejects.toBe(exit);
    });

    test.each([
      ['at once', false],
      ['later', true],
    ])('what they throw %s ends a guest that catches everything', async (_when, suspends) => {
      const catching = `(module
      (import "h" "exit" (func $exit)) (import "h" "note" (func $note))
      (func $forever (loop $again (try (do (call $exit)) (catch_all (call $note))) (br $again)))
      (func (export "_start") (try (do (call $forever)) (catch_all (call $note) (call $forever)))))`;
      const exit = new WasiExit(7);
      let caught = 0;
      const leave = suspends
        ? () => Promise.reject(exit)
        : () => {
            throw exit;
          };
      const imports = {
        h: { exit: { suspends, call: leave }, note: { suspends: false, call: () => void (caught += 1) } },
      };
      await expect(run(catching, imports)).rejects.toBe(exit);
      expect(caught).toBe(0);
    });

    test('a start function may wait: it runs once, before the entry', async () => {
      const order: string[] = [];
      const imports = {
        h: {
          slow: { suspends: true, call: () => setImmediate().then(() => void order.push('start')) },
          note: { suspends: false, call: () => void order.push('entry') },
        },
      };
      const guest = await start(
        `(module (import "h" "slow" (func $slow)) (import "h" "note" (func $note))
        (func $s (call $slow)) (func (export "_start") (call $note)) (start $s))`,
        imports,
      );
      expect(order).toEqual([]);
      await guest.run('_start');
      await guest.run('_start');
      expect(order).toEqual(['start', 'entry', 'entry']);
    });
  });

  describe('traps carry the guest’s function names, innermost first', () => {
    const trapping = (body: string) =>
      trapOf(
        run(`(module $my-app (memory 1) (table 1 funcref) (type $t (func))
      (func $inner (param i32) ${body})
      (func $main.loop (call $inner (i32.const 0)))
      (func (export "_start") (call $main.loop)))`),
      );

    test.each([
      ['unreachable', 'unreachable'],
      ['(drop (i32.load (i32.const -1)))', 'memory access out of bounds'],
      ['(drop (i32.div_s (i32.const 1) (local.get 0)))', 'divide by zero'],
      ['(drop (i32.trunc_f32_s (f32.const nan)))', 'float unrepresentable in integer range'],
      ['(call_indirect (type $t) (i32.const 5))', 'table index is out of bounds'],
    ])('%s', async (body, message) => {
      const trap = await trapping(body);
      expect(trap.message).toBe(message);
      expect(trap.frames).toEqual(['inner', 'main.loop', 'wasm-function[2]']);
    });

    test('endless recursion', async () => {
      const trap = await trapOf(run('(module (func $deep (export "_start") (call $deep) (call $deep)))'));
      expect(trap.message).toBe('call stack exhausted');
      expect(trap.frames).toHaveLength(64);
      expect(trap.frames[0]).toBe('deep');
    });

    test('a trap in the start function', async () => {
      const running = run('(module (func $init unreachable) (func (export "_start")) (start $init))');
      expect(await trapOf(running)).toMatchObject({ message: 'unreachable', frames: ['init'] });
    });

    test('an exception that nobody catches', async () => {
      const text = '(module (tag $e) (func (export "_start") (throw $e)))';
      expect((await trapOf(run(text))).message).toBe('exception that the guest did not catch');
    });
  });
});

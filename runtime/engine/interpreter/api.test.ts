import { describe, expect, test } from 'vitest';
import { wat } from '../v8/test-wat.ts';
import { webAssembly } from './api.ts';

/** That the interpreter can stand where V8's own API does: the same code over each. */
const APIS = [
  ['v8', WebAssembly as unknown as ReturnType<typeof webAssembly>],
  ['interpreter', webAssembly()],
] as const;

type Callable = (...args: unknown[]) => unknown;

describe.each(APIS)('%s', (_name, api) => {
  const instantiate = (text: string, imports = {}) => new api.Instance(new api.Module(wat(text)), imports).exports;

  test('links functions, memories, tables and globals of one instance into another', () => {
    const first = instantiate(`(module
      (memory (export "memory") 1) (table (export "table") 2 funcref) (global (export "count") (mut i32) (i32.const 5))
      (func $add (export "add") (param i32) (result i32)
        (i32.add (local.get 0) (i32.load (i32.const 8))))
      (elem (i32.const 0) $add))`);
    const second = instantiate(
      `(module
        (type $op (func (param i32) (result i32)))
        (import "a" "memory" (memory 1)) (import "a" "table" (table 2 funcref)) (import "a" "count" (global $count (mut i32)))
        (import "a" "add" (func $add (type $op)))
        (func (export "f") (result i32)
          (i32.store (i32.const 8) (i32.const 30))
          (global.set $count (i32.const 7))
          (i32.add (call $add (global.get $count)) (call_indirect (type $op) (i32.const 100) (i32.const 0)))))`,
      { a: first },
    );
    expect((second['f'] as Callable)()).toBe(37 + 130);
    expect((first['count'] as { value: number }).value).toBe(7);
  });

  test('calls JavaScript, which may call the guest again and throw', () => {
    const calls: unknown[] = [];
    const exports: Record<string, unknown> = instantiate(
      `(module (import "m" "f" (func $f (param i32 i64 f64) (result i32)))
        (func (export "g") (param i32) (result i32)
          (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))
            (else (call $f (local.get 0) (i64.const -1) (f64.const 0.5))))))`,
      {
        m: {
          f: (...args: unknown[]) => {
            calls.push(args);
            if (args[0] === 9) throw new Error('from JavaScript');
            return 10 + ((exports['g'] as Callable)((args[0] as number) - 1) as number);
          },
        },
      },
    );
    expect((exports['g'] as Callable)(2)).toBe(21);
    expect(calls).toEqual([
      [2, -1n, 0.5],
      [1, -1n, 0.5],
    ]);
    expect(() => (exports['g'] as Callable)(9)).toThrow('from JavaScript');
    expect((exports['g'] as Callable)(1)).toBe(11);
  });

  test('tells what does not compile, link or run by classes of errors', () => {
    expect(() => new api.Module(new Uint8Array(4))).toThrow(api.CompileError);
    expect(() => instantiate('(module (import "m" "f" (func)))', {})).toThrow(TypeError);
    expect(() => instantiate('(module (import "m" "f" (func)))', { m: { f: 1 } })).toThrow(api.LinkError);
    const { trap } = instantiate('(module (func (export "trap") unreachable))');
    expect(trap as Callable).toThrow(api.RuntimeError);
    const { fail } = instantiate('(module (tag $t) (func (export "fail") (throw $t)))');
    expect(fail as Callable).toThrow(api.Exception);
  });

  test('gives the same function for the same function', () => {
    const { f, table, g } = instantiate(
      '(module (func $f (export "f")) (func (export "g") (result funcref) (ref.func $f)) (table (export "table") funcref (elem $f)))',
    );
    expect((g as Callable)()).toBe(f);
    expect((table as { length: number }).length).toBe(1);
  });
});

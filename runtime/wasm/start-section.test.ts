import { expect, test } from 'vitest';
import { wat } from '../engine/v8/test-wat.ts';
import { exportStart, START_EXPORT } from './start-section.ts';

const exportsOf = (bytes: Uint8Array<ArrayBuffer>): string[] =>
  WebAssembly.Module.exports(new WebAssembly.Module(bytes)).map(({ name }) => name);

test('a module without a start function stays as it is', () => {
  expect(exportStart(wat('(module (func (export "f")))'))).toBeUndefined();
});

test('a start function becomes an export beside the others, and what follows stays', () => {
  const rewritten = exportStart(
    wat(
      '(module (memory (export "memory") 1) (func $s) (start $s) (table 1 funcref) (elem (i32.const 0) $s) (data (i32.const 0) "x"))',
    ),
  );
  expect(exportsOf(rewritten!)).toEqual(['memory', START_EXPORT]);
});

test('also where there is no other export, and where numbers take several bytes', () => {
  const functions = Array.from({ length: 300 }, (_, index) => `(func $f${index})`).join(' ');
  const rewritten = exportStart(
    wat(`(module (global $g (mut i32) (i32.const 0)) ${functions}
    (func $last unreachable) (start $last))`),
  );
  expect(exportsOf(rewritten!)).toEqual([START_EXPORT]);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(rewritten!));
  expect(() => (instance.exports[START_EXPORT] as () => void)()).toThrow(WebAssembly.RuntimeError);
});

import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES, errnoOf, hasCode, messageOf, WasmletError } from './errors.ts';

test('docs/reference/errors.md lists every error code with its meaning, and no other', async () => {
  const text = await readFile(new URL('../docs/reference/errors.md', import.meta.url), 'utf8');
  const rows = text.matchAll(/^\| `(\w+)` +\| (.+?) +\|/gm);
  expect(Object.fromEntries(Array.from(rows, ([, code, meaning]) => [code, meaning]))).toEqual(ERROR_CODES);
});

describe('hasCode', () => {
  test('knows errors of ours by any of the codes given', () => {
    const error: unknown = new WasmletError('NotFound', 'x');
    expect(hasCode(error, 'Internal', 'NotFound')).toBe(true);
    expect(hasCode(error, 'Internal')).toBe(false);
    expect(hasCode(Object.assign(new Error('x'), { code: 'NotFound' }), 'NotFound')).toBe(false);
  });
});

describe('messageOf', () => {
  test.each([
    [new WasmletError('Internal', 'a', { cause: new Error('b') }), 'a'],
    [new AggregateError([new Error('a'), 'b']), 'a; b'],
    [new AggregateError([new Error('a')], 'all'), 'all'],
    ['text', 'text'],
    [undefined, 'undefined'],
  ])('of %s is its text and no stack', (thrown, message) => {
    expect(messageOf(thrown)).toBe(message);
  });
});

describe('errnoOf', () => {
  test("is the code of Node's errors and of nothing else", () => {
    expect(errnoOf(Object.assign(new Error('x'), { code: 'ENOENT' }))).toBe('ENOENT');
    expect(errnoOf(Object.assign(new Error('x'), { code: 1 }))).toBeUndefined();
    expect(errnoOf({ code: 'ENOENT' })).toBeUndefined();
  });
});

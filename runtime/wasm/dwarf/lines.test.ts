import { describe, expect, test } from 'vitest';
import type { LineSections } from './line-header.ts';
import { findLines } from './lines.ts';

const bytes = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, 'base64'));

/**
 * What clang makes with -O1 -g of
 *   static int inner(int a) { if (a > 3) __builtin_trap(); … }   // line 5
 *   int outer(int a) { return inner(a + 1) + 1; }                // line 9
 *   int main(…) { printf("%d\n", outer(argc + 5)); … }           // line 12
 */
const DWARF4: LineSections = {
  line: bytes(
    'nQAAAAQAQQAAAAEBAfsODQABAQEBAAAAAQAAAS91c3IvaW5jbHVkZS93YXNtMzItd2FzaXAxAAB0LmMAAAAAc3RkaW8uaAABAAAAAAUCXQAAABkFEgpZ' +
      'BQoGIAZmBRcGWAUDIAIBAAEBAAUCcQAAABQFCQp1BQUGPRsFAwYmAgMAAQEABQKBAAAAAwoBBR0KCJEFEgYgBQMGZgghAg4AAQE=',
  ),
  lineStr: undefined,
  str: undefined,
};
const DWARF5: LineSections = {
  line: bytes(
    'tAAAAAUABABQAAAAAQEB+w4NAAEBAQEAAAABAAABAQEfAicAAAAMAAAAAwEfAg8FHgIIAAAAAEJvwUYS8OJRdzBWnZ3bwO0AAAAAAbGQU5nVIXoCF1Jp' +
      'NI04Xx8EAAAFAl0AAAAZBRIKWQUKBiAGZgUXBlgFAyACAQABAQQAAAUCcQAAABQFCQp1BQUGPRsFAwYmAgMAAQEEAAAFAoEAAAADCgEFHQoIkQUSBiAF' +
      'AwZmCCECDgABAQ==',
  ),
  lineStr: bytes('c3RkaW8uaAB0LmMAL3Vzci9pbmNsdWRlL3dhc20zMi13YXNpcDEALwA='),
  str: undefined,
};
const [TRAP, CALL_OF_INNER, CALL_OF_OUTER] = [123, 99, 156];
const OUTSIDE = 10_000;

describe.each([
  ['4', DWARF4],
  ['5', DWARF5],
])('a line table of DWARF %s', (_, sections) => {
  test('tells the line of each instruction that it knows', () => {
    const lines = findLines(sections, [TRAP, CALL_OF_INNER, CALL_OF_OUTER, OUTSIDE]);
    expect([...lines].map(([address, { file, line }]) => [address, file, line]).toSorted()).toEqual(
      [
        [TRAP, 't.c', 5],
        [CALL_OF_INNER, 't.c', 9],
        [CALL_OF_OUTER, 't.c', 12],
      ].toSorted(),
    );
  });

  test('that is damaged is refused or misread, and never read without end', () => {
    const tryIt = (line: Uint8Array): void => {
      try {
        findLines({ ...sections, line }, [TRAP]);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    };
    for (let length = 0; length < sections.line.length; length++) tryIt(sections.line.subarray(0, length));
    for (let at = 0; at < sections.line.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const line = sections.line.slice();
        line.fill(value, at, at + 4);
        tryIt(line);
      }
    }
  });
});

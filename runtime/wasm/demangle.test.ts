import { expect, test } from 'vitest';
import { demangle } from './demangle.ts';

test.each([
  ['main', 'main'],
  ['_ZN4core9panicking5panic17h0123456789abcdefE', 'core::panicking::panic'],
  [
    '_ZN60_$LT$alloc..string..String$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE',
    '<alloc::string::String as core::fmt::Display>::fmt',
  ],
  ['_ZN5shape6Circle4areaEv', 'shape::Circle::area'],
  // Templates, a length that leaves the name, and nothing at all stay.
  ['_ZN3fooI1AE3barEv', '_ZN3fooI1AE3barEv'],
  ['_ZN99barE', '_ZN99barE'],
  ['_ZNE', '_ZNE'],
  ['_ZN', '_ZN'],
])('%s is shown as %s', (name, shown) => {
  expect(demangle(name)).toBe(shown);
});

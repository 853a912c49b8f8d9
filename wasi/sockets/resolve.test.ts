import { expect, test } from 'vitest';
import { candidates, lookUpInHosts, parseResolvConf, resolverConfig } from './resolve.ts';

test('resolv.conf is read as its manual has it', () => {
  const text =
    '# a comment\nnameserver 10.0.0.10 ; why\nnameserver nonsense\nsearch a.svc b\noptions ndots:5 timeout:2\n';
  expect(parseResolvConf(text)).toEqual({
    servers: ['10.0.0.10'],
    searches: ['a.svc', 'b'],
    ndots: 5,
    timeoutMs: 2000,
    attempts: 2,
  });
});

test('what a file asks for is bounded', () => {
  const config = resolverConfig(
    ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4'],
    [],
    ['ndots:99', 'timeout:999', 'attempts:0'],
  );
  expect(config).toEqual({
    servers: ['1.1.1.1', '1.1.1.2', '1.1.1.3'],
    searches: [],
    ndots: 15,
    timeoutMs: 30_000,
    attempts: 1,
  });
});

test('a name with few dots is searched first, one with many last, one with a final dot never', () => {
  const config = resolverConfig([], ['ns.svc', 'svc.'], ['ndots:2']);
  expect(candidates('web', config)).toEqual(['web.ns.svc', 'web.svc', 'web']);
  expect(candidates('a.b.c', config)).toEqual(['a.b.c', 'a.b.c.ns.svc', 'a.b.c.svc']);
  expect(candidates('a.', config)).toEqual(['a']);
});

test('hosts has names in any case, with comments, and several addresses', () => {
  const text = '127.0.0.1 localhost # me\n10.0.0.2\tWeb web.local\n::2 web\nnonsense web\n';
  expect(lookUpInHosts(text, 'WEB').map((ip) => ip.length)).toEqual([4, 16]);
  expect(lookUpInHosts(text, 'web.local.')).toEqual([Uint8Array.of(10, 0, 0, 2)]);
  expect(lookUpInHosts(text, 'other')).toEqual([]);
});

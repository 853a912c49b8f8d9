import { expect, test } from 'vitest';
import { isLoopback, registryUrl } from './hosts.ts';

test.each([
  ['docker.io', 'https://registry-1.docker.io/'],
  ['ghcr.io', 'https://ghcr.io/'],
  ['registry.example.com:5000', 'https://registry.example.com:5000/'],
  ['localhost:5000', 'http://localhost:5000/'],
  ['127.0.0.1:5000', 'http://127.0.0.1:5000/'],
  ['127.9.9.9', 'http://127.9.9.9/'],
  ['[::1]:5000', 'http://[::1]:5000/'],
  ['localhost.example.com', 'https://localhost.example.com/'],
  ['127.0.0.1.example.com', 'https://127.0.0.1.example.com/'],
  ['plain.example.com:8080', 'http://plain.example.com:8080/'],
  ['plain.example.com', 'https://plain.example.com/'],
  ['every-port.example.com:1', 'http://every-port.example.com:1/'],
  ['odd.example.com:443', 'http://odd.example.com:443/'],
])('the registry %s is at %s', (domain, url) => {
  const insecureRegistries = ['plain.example.com:8080', 'every-port.example.com', 'odd.example.com:443'];
  expect(registryUrl(domain, { insecureRegistries }).href).toBe(url);
});

test('a port that there cannot be is refused', () => {
  expect(() => registryUrl('ghcr.io:99999', { insecureRegistries: [] })).toThrow(
    /registry ghcr\.io:99999 is not a host/,
  );
});

test('other spellings of loopback are seen through by the URL parser', () => {
  expect(isLoopback(new URL('http://0x7f.1/').hostname)).toBe(true);
  expect(isLoopback(new URL('http://LOCALHOST/').hostname)).toBe(true);
  expect(isLoopback(new URL('http://10.0.0.1/').hostname)).toBe(false);
});

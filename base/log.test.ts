import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { WasmletError } from './errors.ts';
import { redact } from './log.ts';

const LOG_MODULE = fileURLToPath(new URL('log.ts', import.meta.url));

describe('redact', () => {
  test.each([
    ['authorization', 'Basic abc'],
    ['Password', 'x'],
    ['registryCredentials', { user: 'u' }],
    ['accessToken', 'x'],
    ['clientSecret', 'x'],
    ['private_key', 'x'],
    ['tlsPrivateKey', 'x'],
    ['auth', 'x'],
    ['set-cookie', ['a=b']],
  ])('hides whatever is under the key %s', (key, value) => {
    expect(redact({ deep: [{ [key]: value }] })).toEqual({ deep: [{ [key]: '[redacted]' }] });
  });

  test.each([
    ['got Bearer eyJhbGciOi.J9.x-y_z from it', 'got [redacted] from it'],
    ['Authorization: basic dXNlcjpwYXNz', 'Authorization: [redacted]'],
    ['GET https://user:pass@registry.example/v2/', 'GET https://[redacted]@registry.example/v2/'],
    ['-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----', '[redacted]'],
  ])('hides secrets inside text: %j', (text, expected) => {
    expect(redact(text)).toBe(expected);
    expect(redact(new Error(text))).toMatchObject({ message: expected });
  });

  test.each([
    'secret "y" not found',
    'https://registry.example:5000/v2/a@sha256:abc',
    'Basic facts',
    'a bearer of news',
    '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
  ])('leaves %j as it is', (text) => {
    expect(redact(text)).toBe(text);
  });

  test('turns errors into their message, code and cause', () => {
    const error = new WasmletError('Unavailable', 'no answer', { cause: new Error('Bearer abcdefghij') });
    expect(redact({ error })).toEqual({
      error: { message: 'no answer', code: 'Unavailable', cause: { message: '[redacted]' } },
    });
  });

  test('ends at a depth, so that a value that holds itself does not run on', () => {
    const ring: Record<string, unknown> = {};
    ring['self'] = ring;
    expect(JSON.stringify(redact(ring))).toContain('[…]');
  });

  test('leaves numbers and booleans, and writes big integers as text', () => {
    expect(redact({ n: 1, b: false, u: undefined, z: null, big: 2n ** 64n })).toEqual({
      n: 1,
      b: false,
      u: undefined,
      z: null,
      big: '18446744073709551616',
    });
  });
});

describe('createLogger', () => {
  /** The logger writes to the process' own stderr, so it is looked at in a process of its own. */
  const run = async (format: 'json' | 'human', statement: string): Promise<string[]> => {
    const script = `import { createLogger } from ${JSON.stringify(LOG_MODULE)};
      const logger = createLogger({ level: 'info', format: '${format}' });
      ${statement}`;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    expect(stdout).toBe('');
    return stderr.trimEnd().split('\n');
  };

  test('writes one JSON object a line on stderr, with the fields of parent and child and no secret', async () => {
    const statement = `logger.child({ pod: 'a' }).warn('sent Bearer abcdefghij', { token: 'x', n: 1 });`;
    const [line = '', ...rest] = await run('json', statement);
    expect(rest).toEqual([]);
    expect(JSON.parse(line)).toMatchObject({
      level: 'warn',
      message: 'sent [redacted]',
      pod: 'a',
      token: '[redacted]',
      n: 1,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
    });
  });

  test('writes lines for people, without what is less severe than the level', async () => {
    const lines = await run('human', `logger.debug('hidden'); logger.info('shown', { name: 'a b', n: 1 });`);
    expect(lines).toEqual([expect.stringMatching(/^\S+Z INFO {2}shown name="a b" n=1$/)]);
  });
});

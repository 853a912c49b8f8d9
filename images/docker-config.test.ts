import { describe, expect, test } from 'vitest';
import { credentialsFor, parseDockerConfigJson } from './docker-config.ts';
import type { DockerConfig } from './service.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('a Docker config', () => {
  test('is read in its present and in its legacy form', () => {
    const entry = { username: 'u', password: 'p' };
    expect(parseDockerConfigJson(JSON.stringify({ auths: { 'ghcr.io': entry } }))).toEqual({ 'ghcr.io': entry });
    expect(parseDockerConfigJson(JSON.stringify({ 'ghcr.io': entry }))).toEqual({ 'ghcr.io': entry });
    expect(parseDockerConfigJson('{"auths":{}}')).toEqual({});
  });

  test('gives auth before username and password, padded or not, with colons in the password', () => {
    const parse = (auth: string) =>
      parseDockerConfigJson(JSON.stringify({ auths: { h: { auth, username: 'other' } } }))['h'];
    expect(parse(base64('user:pa:ss'))).toEqual({ username: 'user', password: 'pa:ss' });
    expect(parse(base64('user:pass').replace(/=+$/, ''))).toEqual({ username: 'user', password: 'pass' });
  });

  test('may hold identity and registry tokens', () => {
    expect(parseDockerConfigJson('{"auths":{"h":{"identitytoken":"i","registrytoken":"r"}}}')).toEqual({
      h: { identityToken: 'i', registryToken: 'r' },
    });
  });

  test.each([
    ['no JSON', 'secret text'],
    ['a list', '["secret"]'],
    ['auths that are none', '{"auths":"secret"}'],
    ['auth that is not base64', '{"auths":{"h":{"auth":"secret!"}}}'],
    ['auth without a colon', `{"auths":{"h":{"auth":"${base64('secret')}"}}}`],
  ])('with %s is refused, and the message does not give it away', (_name, text) => {
    const error = (() => {
      try {
        parseDockerConfigJson(text);
      } catch (thrown) {
        return thrown as Error;
      }
      return undefined;
    })();
    expect(error).toMatchObject({ code: 'InvalidArgument' });
    expect(error?.message).not.toContain('secret');
    expect(error?.message).not.toContain(base64('secret'));
  });
});

describe('credentials', () => {
  const config = (...keys: string[]): DockerConfig => Object.fromEntries(keys.map((key) => [key, { username: key }]));
  const matching = (image: string, ...configs: DockerConfig[]) =>
    credentialsFor(configs, image).map(({ username }) => username);

  // The cases of the kubelet's keyring_test.go, in our words.
  test.each<[key: string, image: string, matches: boolean]>([
    ['quay.io', 'quay.io/a/b', true],
    ['quay.io', 'other.io/a/b', false],
    ['quay.io:5000', 'quay.io/a', false],
    ['quay.io:5000', 'quay.io:5000/a', true],
    ['https://quay.io', 'quay.io/a', true],
    ['http://quay.io/v1/', 'quay.io/a', true],
    ['quay.io/v2/team', 'quay.io/team/a', true],
    ['quay.io/team', 'quay.io/team/a', true],
    ['quay.io/team', 'quay.io/other/a', false],
    ['*.example.com', 'reg.example.com/a', true],
    ['*.example.com', 'a.reg.example.com/a', false],
    ['*.*.example.com', 'a.reg.example.com/a', true],
    ['*.example.com', 'example.com/a', false],
    ['pre*fix.example.com', 'pre-x-fix.example.com/a', true],
    ['*.example.com:5000/team', 'reg.example.com:5000/team/a', true],
    ['[::1]:5000', '[::1]:5000/a', true],
    ['https://index.docker.io/v1/', 'docker.io/library/a', true],
    ['docker.io', 'docker.io/library/a', true],
    ['index.docker.io', 'quay.io/a', false],
  ])('for %s and image %s match: %s', (key, image, matches) => {
    expect(matching(image, config(key))).toEqual(matches ? [key] : []);
  });

  test('are tried longest match first, equal ones in the order of the secrets', () => {
    const first = { 'quay.io': { username: 'first' } };
    const second = { 'quay.io': { username: 'second' }, 'quay.io/team': { username: 'team' } };
    expect(matching('quay.io/team/a', first, second)).toEqual(['team', 'first', 'second']);
  });

  test('of the default registry serve only where none other matches', () => {
    expect(matching('docker.io/library/a', config('docker.io', 'https://index.docker.io/v1/'))).toEqual(['docker.io']);
  });

  test('with a pattern made to be slow are matched at once', () => {
    const key = `${'*a'.repeat(30)}.example.com`;
    const started = performance.now();
    expect(matching(`${'a'.repeat(60)}b.example.com/x`, config(key))).toEqual([]);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

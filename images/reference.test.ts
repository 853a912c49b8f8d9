import { describe, expect, test } from 'vitest';
import { isDigest, parseReference } from './reference.ts';

const SHA = `sha256:${'a'.repeat(64)}`;

describe('an image reference', () => {
  test.each([
    ['nginx', 'docker.io/library/nginx:latest'],
    ['nginx:1.2', 'docker.io/library/nginx:1.2'],
    ['org/app', 'docker.io/org/app:latest'],
    ['docker.io/nginx', 'docker.io/library/nginx:latest'],
    ['index.docker.io/org/app:2', 'docker.io/org/app:2'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/a/b:1', 'localhost:5000/a/b:1'],
    ['[::1]:5000/a', '[::1]:5000/a:latest'],
    ['ghcr.io/a/b__c-d.e:V_1.2-x', 'ghcr.io/a/b__c-d.e:V_1.2-x'],
    ['Host/app', 'Host/app:latest'],
    [`nginx@${SHA}`, `docker.io/library/nginx@${SHA}`],
    [`nginx:1@${SHA}`, `docker.io/library/nginx@${SHA}`],
    [`localhost:5000/a:1@sha512:${'b'.repeat(128)}`, `localhost:5000/a@sha512:${'b'.repeat(128)}`],
  ])('%s stands for %s', (text, canonical) => {
    expect(parseReference(text).canonical).toBe(canonical);
  });

  test.each([
    ['', 'invalid reference format'],
    ['nginx:', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    ['-a', 'invalid reference format'],
    ['a b', 'invalid reference format'],
    ['https://ghcr.io/a', 'invalid reference format'],
    ['ghcr.io/a:tag with space', 'invalid reference format'],
    ['Nginx', 'invalid reference format: repository name (library/Nginx) must be lowercase'],
    ['ghcr.io/Org/app', 'invalid reference format: repository name (Org/app) must be lowercase'],
    [`a@sha256:${'a'.repeat(40)}`, 'invalid checksum digest length'],
    [`a@sha256:${'A'.repeat(64)}`, 'invalid checksum digest format'],
    [`a@md5:${'a'.repeat(32)}`, 'unsupported digest algorithm'],
    ['a'.repeat(64), `invalid repository name (${'a'.repeat(64)}), cannot specify 64-byte hexadecimal strings`],
    [`ghcr.io/${'a'.repeat(256)}`, 'repository name must not be more than 255 characters'],
    ['a'.repeat(5000), 'invalid reference format'],
  ])('%s is refused in the words of the kubelet', (text, why) => {
    expect(() => parseReference(text)).toThrow(
      expect.objectContaining({
        code: 'InvalidImageName',
        message: `couldn't parse image name ${JSON.stringify(text)}: ${why}`,
      }) as Error,
    );
  });

  test('may have a repository name of 255 characters, the registry not counted', () => {
    expect(parseReference(`ghcr.io/${'a'.repeat(255)}`).path).toHaveLength(255);
  });
});

test('a digest is sha256 or sha512 in lower-case hex of the right length', () => {
  expect(isDigest(SHA)).toBe(true);
  expect(isDigest(`${SHA}0`)).toBe(false);
  expect(isDigest(`sha256:${'../'.repeat(21)}a`)).toBe(false);
  expect(isDigest(`constructor:${'a'.repeat(64)}`)).toBe(false);
});

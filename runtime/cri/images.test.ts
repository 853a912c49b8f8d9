import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { parseReference } from '../../images/reference.ts';
import { SLEEPS } from '../test-guests.ts';
import { dockerConfigOf } from './image-auth.ts';
import type { AuthConfig, Image, ImageFsInfoResponse, ImageStatusResponse } from './messages.ts';
import { TestCri } from './test-cri.ts';

test('an image is pulled, found by every name, listed, and removed', async () => {
  await using cri = await TestCri.start();
  const { reference, imageRef } = await cri.pull('hello', SLEEPS);
  const named = async (image: string) =>
    (await cri.client.call<ImageStatusResponse>('imageStatus', { image: { image } })).image;
  const image = await named(reference);
  expect(image).toMatchObject({
    id: imageRef,
    repoTags: [reference],
    repoDigests: [`${reference.replace(/:1$/, '')}@${imageRef}`],
  });
  // The kubelet takes an image without a size for none.
  expect(Number(image?.size)).toBeGreaterThan(0);
  expect(await named(imageRef)).toEqual(image);
  expect(await named(image?.repoDigests[0] ?? '')).toEqual(image);
  const list = (filter?: object) => cri.client.call<{ images: Image[] }>('listImages', { filter });
  expect((await list()).images).toEqual([image]);
  expect((await list({ image: { image: reference } })).images).toEqual([image]);
  expect((await list({ image: { image: 'other' } })).images).toEqual([]);
  for await (const { images } of cri.client.stream<{ images: Image[] }>('streamImages'))
    expect(images).toEqual([image]);

  const { imageFilesystems, containerFilesystems } = await cri.client.call<ImageFsInfoResponse>('imageFsInfo');
  expect(imageFilesystems[0]?.fsId.mountpoint).toBe(cri.images.root);
  expect(Number(imageFilesystems[0]?.usedBytes.value)).toBeGreaterThan(0);
  expect(containerFilesystems).toEqual(imageFilesystems);

  await cri.client.call('removeImage', { image: { image: imageRef } });
  await cri.client.call('removeImage', { image: { image: imageRef } });
  expect((await list()).images).toEqual([]);
  expect(await named(reference)).toBeNull();
});

test('the user of an image is told by number or by name, without its group', async () => {
  await using cri = await TestCri.start();
  const userOf = async (user: string) => {
    const { reference } = await cri.pullTree('user', { app: SLEEPS }, { User: user });
    const { image } = await cri.client.call<ImageStatusResponse>('imageStatus', { image: { image: reference } });
    return [image?.uid?.value, image?.username];
  };
  expect(await userOf('1000:50')).toEqual([1000, '']);
  expect(await userOf('nobody')).toEqual([undefined, 'nobody']);
  expect(await userOf('')).toEqual([undefined, '']);
});

test('what goes wrong in a pull is told in words that a kubelet passes on or knows', async () => {
  await using cri = await TestCri.start();
  const pull = (image: string) => cri.client.call('pullImage', { image: { image } });
  await expect(pull(`${cri.registry.host}/none:1`)).rejects.toMatchObject({
    code: status.UNKNOWN,
    details: expect.stringMatching(/^failed to pull and unpack image ".*\/none:1": .*not found/) as string,
  });
  await expect(pull('127.0.0.1:1/none:1')).rejects.toMatchObject({
    code: status.UNKNOWN,
    details: expect.stringMatching(/^RegistryUnavailable: /) as string,
  });
  await expect(pull('localhost/UPPER:1')).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  await expect(pull('')).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
});

test('the credentials of a pull reach the registry', async () => {
  await using cri = await TestCri.start();
  const expected = `Basic ${Buffer.from('alice:secret').toString('base64')}`;
  cri.registry.fault = ({ headers }, response) => {
    if (headers.authorization === expected) return false;
    response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
    return true;
  };
  await expect(cri.pull('private', SLEEPS)).rejects.toMatchObject({ code: status.UNKNOWN });
  const auth = { username: 'alice', password: 'secret', serverAddress: cri.registry.host };
  const image = { image: `${cri.registry.host}/private:1` };
  await cri.client.call('pullImage', { image, auth });
  expect(cri.registry.seen.some(({ headers }) => headers.authorization === expected)).toBe(true);
});

describe('the credentials of a pull', () => {
  const none = { username: '', password: '', auth: '', serverAddress: '', identityToken: '', registryToken: '' };
  const image = parseReference('ghcr.io/org/app');
  const credentials = (auth: Partial<AuthConfig>) => dockerConfigOf({ ...none, ...auth }, image);

  test.for([
    ['a name and password', { username: 'a', password: 'b' }, { username: 'a', password: 'b' }],
    ['auth', { auth: Buffer.from('a:b:c\0').toString('base64') }, { username: 'a', password: 'b:c' }],
    ['an identity token', { identityToken: 't' }, { identityToken: 't' }],
    ['a registry token', { registryToken: 't' }, { registryToken: 't' }],
    [
      'a server',
      { username: 'a', password: 'b', serverAddress: 'https://ghcr.io/v2/' },
      { username: 'a', password: 'b' },
    ],
  ] as const)('may be %s', ([, auth, expected]) => {
    expect(credentials(auth)).toEqual([{ 'ghcr.io': expected }]);
  });

  test('go to no other registry, and may be none', () => {
    expect(credentials({ username: 'a', password: 'b', serverAddress: 'quay.io' })).toEqual([]);
    expect(credentials({})).toEqual([]);
    expect(
      dockerConfigOf({ ...none, username: 'a', serverAddress: 'https://index.docker.io/v1/' }, parseReference('nginx')),
    ).toEqual([{ 'docker.io': { username: 'a', password: '' } }]);
  });

  test('that cannot be read are not quoted', () => {
    expect(() => credentials({ auth: 'c2VjcmV0' })).toThrow(/^the auth of the pull is not base64/);
  });
});

import { describe, expect, test } from 'vitest';
import { WasmletError } from '../../base/errors.ts';
import type { Image, ImageService } from '../../images/service.ts';
import { image } from '../pods/testing/fixtures.ts';
import { createImagePuller, ImageError } from './image-puller.ts';
import { dockerConfigOf } from './pull-secrets.ts';

function setUp(service: Partial<ImageService>) {
  const events: string[] = [];
  const clock = { now: 0 };
  const puller = createImagePuller({
    images: service as ImageService,
    recorder: { record: (_ref, type, reason, message) => void events.push(`${type} ${reason}: ${message}`) },
    now: () => clock.now,
  });
  const ensure = (pullPolicy: string): Promise<Image | ImageError> =>
    puller
      .ensure({
        podUid: 'uid-1',
        image: 'example.test/app:1',
        pullPolicy,
        dockerConfigs: [],
        reference: {},
        signal: new AbortController().signal,
      })
      .catch((error: unknown) => {
        if (error instanceof ImageError) return error;
        throw error;
      });
  return { events, clock, ensure };
}

const absent = { imageStatus: () => Promise.resolve(undefined) };
const failing = (code: 'ErrImagePull' | 'RegistryUnavailable' | 'InvalidImageName') => ({
  ...absent,
  pullImage: () => Promise.reject(new WasmletError(code, 'because')),
});

describe('an image', () => {
  test('that is present is not pulled under IfNotPresent', async () => {
    const { ensure, events } = setUp({ imageStatus: () => Promise.resolve(image) });
    expect(await ensure('IfNotPresent')).toBe(image);
    expect(events).toEqual([
      'Normal Pulled: Container image "example.test/app:1" already present on machine and can be accessed by the pod',
    ]);
  });

  test('that is present is pulled all the same under Always', async () => {
    const { ensure, events } = setUp({
      imageStatus: () => Promise.resolve(image),
      pullImage: () => Promise.resolve(image),
    });
    await ensure('Always');
    expect(events[0]).toBe('Normal Pulling: Pulling image "example.test/app:1"');
  });

  test('that is absent is an error under Never', async () => {
    const { ensure, events } = setUp(absent);
    expect(await ensure('Never')).toMatchObject({
      reason: 'ErrImageNeverPull',
      message: 'Container image "example.test/app:1" is not present with pull policy of Never',
    });
    expect(events).toEqual([expect.stringMatching(/^Warning ErrImageNeverPull: /)]);
  });

  test('that cannot be pulled backs off, 10 s and then twice as long, and says why', async () => {
    const { ensure, events, clock } = setUp(failing('ErrImagePull'));
    expect(await ensure('IfNotPresent')).toMatchObject({ reason: 'ErrImagePull', message: 'because', retryAt: 1_000 });
    clock.now = 9_999;
    expect(await ensure('IfNotPresent')).toMatchObject({
      reason: 'ImagePullBackOff',
      message: 'Back-off pulling image "example.test/app:1": ErrImagePull: because',
      retryAt: 10_000,
    });
    expect(events.at(-1)).toBe('Normal BackOff: Back-off pulling image "example.test/app:1"');
    clock.now = 10_000;
    expect(await ensure('IfNotPresent')).toMatchObject({ reason: 'ErrImagePull', retryAt: 11_000 });
  });

  test('whose registry is away says so', async () => {
    expect(await setUp(failing('RegistryUnavailable')).ensure('IfNotPresent')).toMatchObject({
      reason: 'RegistryUnavailable',
      message: 'image pull failed for example.test/app:1 because the registry is unavailable: because',
    });
  });

  test('whose name does not parse says so', async () => {
    expect(await setUp(failing('InvalidImageName')).ensure('IfNotPresent')).toMatchObject({
      reason: 'InvalidImageName',
      message: 'Failed to apply default image tag "example.test/app:1": because',
    });
  });
});

describe('dockerConfigOf', () => {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
  const entry = { auth: Buffer.from('me:pass:word').toString('base64') };

  test('reads the present and the legacy form', () => {
    const expected = { 'r.test': { username: 'me', password: 'pass:word' } };
    expect(dockerConfigOf({ data: { '.dockerconfigjson': encode({ auths: { 'r.test': entry } }) } })).toEqual(expected);
    expect(dockerConfigOf({ data: { '.dockercfg': encode({ 'r.test': entry }) } })).toEqual(expected);
  });

  test('names the secret that holds neither', () => {
    expect(() => dockerConfigOf({ metadata: { name: 'pull' } })).toThrow('pull secret "pull" has neither');
  });
});

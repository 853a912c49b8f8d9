import { chmod, chown, lstat, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import type { Pod } from '../kube/types.ts';
import { emptyDirVolume } from './empty-dir.ts';
import { examplePod, fakeObjects, temporaryFolder } from './fixtures.ts';
import { fsUserOf, setVolumeOwnership } from './ownership.ts';
import { projectedVolume } from './projected.ts';

const logger = silentLogger;
const isRoot = process.getuid?.() === 0;
const pod = examplePod({ securityContext: { fsGroup: 2000 } });
const ofGroup = async (path: string): Promise<[string, number]> => {
  const { mode, gid } = await lstat(path);
  return [(mode & 0o7777).toString(8), gid];
};

/** A volume with a file of mode 0640, a folder of mode 0755, and a link to a file outside. */
async function volume() {
  const folder = await temporaryFolder();
  const dir = join(folder.path, 'volume');
  await mkdir(join(dir, 'sub'), { recursive: true });
  await chmod(dir, 0o755);
  await writeFile(join(dir, 'sub/file'), '');
  await chmod(join(dir, 'sub/file'), 0o600);
  await writeFile(join(folder.path, 'outside'), '');
  await chmod(join(folder.path, 'outside'), 0o600);
  await symlink('../outside', join(dir, 'link'));
  return { dir, outside: join(folder.path, 'outside'), [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

describe.runIf(isRoot)('the fsGroup of a pod', () => {
  test('gets a volume that guests may write to, down to its last file', async () => {
    await using made = await volume();
    await setVolumeOwnership({ dir: made.dir, pod, readOnly: false, logger });
    expect(await ofGroup(made.dir)).toEqual(['2775', 2000]);
    expect(await ofGroup(join(made.dir, 'sub'))).toEqual(['2775', 2000]);
    expect(await ofGroup(join(made.dir, 'sub/file'))).toEqual(['660', 2000]);
    expect((await ofGroup(join(made.dir, 'link')))[1]).toBe(2000);
    expect(await ofGroup(made.outside)).toEqual(['600', 0]);
  });

  test('may only read a volume that guests only read', async () => {
    await using made = await volume();
    await setVolumeOwnership({ dir: made.dir, pod, readOnly: true, logger });
    expect(await ofGroup(join(made.dir, 'sub/file'))).toEqual(['640', 2000]);
    expect(await ofGroup(join(made.dir, 'sub'))).toEqual(['2755', 2000]);
  });

  test('is left what is right already, where the policy says so', async () => {
    await using made = await volume();
    const request = { dir: made.dir, pod, readOnly: false, policy: 'OnRootMismatch', logger } as const;
    await chown(made.dir, 0, 2000);
    await chmod(made.dir, 0o2770);
    await setVolumeOwnership(request);
    expect((await stat(join(made.dir, 'sub/file'))).gid).toBe(0);
    await chmod(made.dir, 0o2750);
    await setVolumeOwnership(request);
    expect((await stat(join(made.dir, 'sub/file'))).gid).toBe(2000);
  });

  test('is none unless the pod says so', async () => {
    await using made = await volume();
    await setVolumeOwnership({ dir: made.dir, pod: examplePod(), readOnly: false, logger });
    expect(await ofGroup(made.dir)).toEqual(['755', 0]);
  });
});

test('the user of a pod is the one that all of its containers have', () => {
  const user = (...users: (number | undefined)[]): number | undefined => {
    const containers = users.map((runAsUser, index) => ({
      name: `c${index}`,
      ...(runAsUser === undefined ? {} : { securityContext: { runAsUser } }),
    }));
    return fsUserOf(examplePod({ containers }));
  };
  expect(user(1000)).toBe(1000);
  expect(user(1000, 1000)).toBe(1000);
  expect(user(1000, 1001)).toBeUndefined();
  expect(user(1000, undefined)).toBeUndefined();
  const shared: Pod = examplePod({ securityContext: { runAsUser: 5 }, initContainers: [{ name: 'i' }] });
  expect(fsUserOf(shared)).toBe(5);
});

describe.runIf(isRoot)('the owner and group', () => {
  const signal = new AbortController().signal;
  const accessOf = async (path: string): Promise<[string, number, number]> => {
    const { mode, uid, gid } = await stat(path);
    return [(mode & 0o7777).toString(8), uid, gid];
  };

  test('of an emptyDir are set once: later it holds what guests make', async () => {
    await using folder = await temporaryFolder();
    const dir = join(folder.path, 'v');
    const type = emptyDirVolume();
    const request = { pod, volume: { name: 'v', emptyDir: {} }, dir, signal, logger };
    await type.setUp(request);
    expect(await accessOf(dir)).toEqual(['2777', 0, 2000]);
    await writeFile(join(dir, 'made-by-a-guest'), '', { mode: 0o600 });
    await type.setUp(request);
    expect(await accessOf(join(dir, 'made-by-a-guest'))).toEqual(['600', 0, 2000]);
  });

  test.each([
    ['nobody in particular', {}, ['644', 0, 0], ['644', 0, 0]],
    ['an fsGroup', { fsGroup: 2000 }, ['640', 0, 2000], ['644', 0, 2000]],
    ['one user', { runAsUser: 1000 }, ['600', 1000, 0], ['644', 0, 0]],
    ['one user with an fsGroup', { runAsUser: 1000, fsGroup: 2000 }, ['640', 1000, 2000], ['644', 0, 2000]],
  ])('of a token and of a file beside it are those of %s', async (_who, securityContext, token, other) => {
    await using folder = await temporaryFolder();
    const objects = fakeObjects();
    objects.configMaps.set('ns/ca', { data: { 'ca.crt': 'CA' } });
    const tokens = { token: () => Promise.resolve('token'), forget: () => undefined };
    const sources = [{ serviceAccountToken: { path: 'token' } }, { configMap: { name: 'ca' } }];
    await projectedVolume({ objects, tokens, allocatable: () => ({}) }).setUp({
      pod: examplePod({ securityContext }),
      volume: { name: 'v', projected: { defaultMode: 0o644, sources } },
      dir: folder.path,
      signal,
      logger,
    });
    expect(await accessOf(join(folder.path, 'token'))).toEqual(token);
    expect(await accessOf(join(folder.path, 'ca.crt'))).toEqual(other);
  });
});

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { resolveCommand } from '../../images/index.ts';
import { ServiceFixture } from '../../images/testing/image-service.ts';
import { startRegistry } from '../cluster/registry.ts';
import { runOrThrow } from '../support/command.ts';
import { describeOnCluster, useCluster } from '../support/fixture.ts';
import { buildGuest } from '../support/guests.ts';
import { FLAVOURS, pushImage } from '../support/push.ts';

describeOnCluster('the image service, from the reference registry', () => {
  let wasm: Buffer;
  beforeAll(async () => {
    wasm = await readFile(await buildGuest('hello-wat'));
  });

  test.for(FLAVOURS.filter((flavour) => flavour !== 'linux').map((flavour) => [flavour] as const))(
    'pulls an image in the %s form by tag and by digest, and finds its module',
    async ([flavour]) => {
      await using fixture = await ServiceFixture.start();
      const pushed = await pushImage({
        registry: useCluster().registry,
        repository: `pulled/${flavour}`,
        flavour,
        wasm,
      });
      const image = await fixture.pull(pushed.reference);
      expect(image).toMatchObject({
        repoTags: [pushed.reference],
        repoDigests: [pushed.byDigest],
      });
      const [program = ''] = resolveCommand(image, [], []);
      expect(await readFile(image.module ?? join(image.tree ?? '', program))).toEqual(wasm);
      const files = await fixture.files();
      expect((await fixture.pull(pushed.byDigest)).id).toBe(image.id);
      expect(await fixture.files()).toEqual(files);
      await fixture.restart();
      expect((await fixture.service.imageStatus(pushed.reference))?.id).toBe(image.id);
      await fixture.service.removeImage(image.id);
      expect(await fixture.files()).toEqual([]);
    },
  );

  test('refuses a Linux image, and leaves no file', async () => {
    await using fixture = await ServiceFixture.start();
    const { reference } = await pushImage({
      registry: useCluster().registry,
      repository: 'pulled/linux',
      flavour: 'linux',
      wasm,
    });
    await expect(fixture.pull(reference)).rejects.toThrow(/is built for linux\/amd64/);
    expect(await fixture.files()).toEqual([]);
  });

  test('says of an image that is not there that it was not found', async () => {
    await using fixture = await ServiceFixture.start();
    const reference = `${useCluster().registry}/absent:1`;
    await expect(fixture.pull(reference)).rejects.toThrow(
      `failed to pull and unpack image "${reference}": failed to resolve reference "${reference}": ${reference}: not found`,
    );
  });

  test.for([['basic'], ['token']] as const)('knows itself to a registry with %s authentication', async ([kind]) => {
    const auth = { username: 'reader', password: 'pass word' };
    await using registry = await startRegistry(kind === 'basic' ? { htpasswd: auth } : { token: auth });
    await using fixture = await ServiceFixture.start();
    const { reference } = await pushImage({ registry: registry.address, repository: 'private/app', wasm, auth });
    await expect(fixture.pull(reference)).rejects.toThrow(/401 Unauthorized/);
    const wrong = { [registry.address]: { ...auth, password: 'wrong' } };
    await expect(fixture.pull(reference, wrong)).rejects.toThrow(/401 Unauthorized/);
    expect(await fixture.files()).toEqual([]);
    const image = await fixture.pull(reference, wrong, { [registry.address]: auth });
    expect(await readFile(image.module ?? '')).toEqual(wasm);
    await expect(fixture.pull(reference)).rejects.toThrow(/401 Unauthorized/);
  });

  test('keeps a store that other tools read', async () => {
    const { registry, crane } = useCluster();
    await using fixture = await ServiceFixture.start();
    const pushed = await pushImage({ registry, repository: 'stored', flavour: 'plain', wasm });
    const image = await fixture.pull(pushed.reference);
    await runOrThrow(crane, ['--insecure', 'push', '--index', fixture.root, `${registry}/stored/copy:1`]);
    await runOrThrow(crane, ['--insecure', 'validate', '--remote', `${registry}/stored/copy@${image.id}`]);
  });
});

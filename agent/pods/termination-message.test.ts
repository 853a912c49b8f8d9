import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ContainerStatus, Mount } from '../../runtime/service.ts';
import { temporaryFolder } from '../volumes/fixtures.ts';
import { makeTerminationMount, readTerminationMessage } from './termination-message.ts';

test('a volume at the same path is not taken for it: guests lay links there', async () => {
  await using folder = await temporaryFolder();
  const secret = join(folder.path, 'secret');
  const link = join(folder.path, 'link');
  await writeFile(secret, 'of the node');
  await symlink(secret, link);
  const path = '/dev/last-words';
  const volume: Mount = { containerPath: path, hostPath: link, readonly: false };
  const own = await makeTerminationMount(folder.path, { name: 'main', terminationMessagePath: path });
  await writeFile(own?.hostPath ?? '', 'last words');
  const status = { mounts: [volume, own], exitCode: 0, logPath: '' } as unknown as ContainerStatus;
  expect(await readTerminationMessage(status, { path, policy: 'File' })).toBe('last words');
});

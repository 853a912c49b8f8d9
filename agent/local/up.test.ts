import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { removeControlGroups } from '../../test/support/cgroups.ts';
import { silentLogger } from '../../base/log.ts';
import { cgroupRootOf, runLocal } from './up.ts';

test('told to end before its node runs, it ends', async () => {
  const root = await mkdtemp(join(tmpdir(), 'wasmlet-up-'));
  const ready: string[] = [];
  await runLocal({
    root,
    port: 0,
    nodeName: 'early',
    leavePods: false,
    env: {},
    logger: silentLogger,
    signal: AbortSignal.abort(new Error('SIGTERM')),
    onReady: ({ url }) => ready.push(url),
  });
  expect(ready).toEqual([]);
  expect(await readFile(join(root, 'api/kubeconfig'), 'utf8')).toContain('client-certificate-data');
  await removeControlGroups(cgroupRootOf(root));
  // The supervisor that was started is about to end.
  await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
});

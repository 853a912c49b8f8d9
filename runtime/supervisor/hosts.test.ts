import { expect, test } from 'vitest';
import { begin } from '../sandbox/confinement/confinement.ts';
import type { Confinement } from '../sandbox/confinement/confinement.ts';
import { testFolder } from '../test-folder.ts';
import { ChildHost } from './hosts.ts';

test('a process that neither comes up as a host nor ends is ended, and nobody waits for it any more', async () => {
  using folder = testFolder();
  const confinement: Confinement = {
    missing: [],
    needsReach: false,
    hasOwnMounts: false,
    launch: () => ({ command: ['sleep', ['600']], descriptors: [], begin, [Symbol.dispose]: () => undefined }),
  };
  const host = ChildHost.spawn({ confinement, runDirectory: folder.path, readyTimeoutMs: 1 });
  await host.ready;
  expect(await host.ended).toEqual({ code: null, signal: 'SIGKILL' });
});

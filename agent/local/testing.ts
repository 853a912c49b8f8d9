import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../base/log.ts';
import { startLocalApi, type LocalApi } from './index.ts';

/** A local API server in a folder of its own, for tests; both go when it is disposed of. */
export async function startTestApi(): Promise<LocalApi & { readonly root: string }> {
  const root = await mkdtemp(join(tmpdir(), 'wasmlet-local-'));
  const api = await startLocalApi({ root, port: 0, nodeName: 'node', logger: silentLogger });
  return {
    ...api,
    root,
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}

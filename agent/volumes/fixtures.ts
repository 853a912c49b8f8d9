import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ObjectCache } from '../kube/objects.ts';
import type { ConfigMap, Pod, PodSpec, Secret } from '../kube/types.ts';

/** For tests: a cache over objects that the test changes as it likes, by '<namespace>/<name>'. */
export interface FakeObjects extends ObjectCache {
  readonly configMaps: Map<string, ConfigMap>;
  readonly secrets: Map<string, Secret>;
  /** Thrown by every call while it is set. */
  failure: Error | undefined;
}

export function fakeObjects(): FakeObjects {
  const objects: FakeObjects = {
    configMaps: new Map(),
    secrets: new Map(),
    failure: undefined,
    configMap: (namespace, name) => answer(objects.configMaps.get(`${namespace}/${name}`)),
    secret: (namespace, name) => answer(objects.secrets.get(`${namespace}/${name}`)),
  };
  const answer = <T>(object: T): Promise<T> =>
    objects.failure ? Promise.reject(objects.failure) : Promise.resolve(object);
  return objects;
}

/** For tests: a pod as the API server gives it, with its defaults where they matter here. */
export function examplePod(spec: Partial<PodSpec> = {}, metadata: Pod['metadata'] = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'ns', name: 'pod', uid: 'uid-1', ...metadata },
    spec: { serviceAccountName: 'default', nodeName: 'node-1', containers: [{ name: 'app' }], ...spec },
  };
}

/** For tests: a folder of their own that goes when its scope ends. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'wasmlet-volumes-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

export const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64');

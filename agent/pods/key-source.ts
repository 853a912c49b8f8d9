import { messageOf, WasmletError } from '../../base/errors.ts';
import { KubeApiError } from '../kube/client.ts';
import type { ObjectCache } from '../kube/objects.ts';

/** Keys of one object; values are decoded when they are asked for. */
export type Keys = ReadonlyMap<string, () => string>;

/** Keys of a namespace's ConfigMaps and Secrets as text, each object asked for once; undefined: no such object. */
export interface KeySource {
  readonly configMap: (name: string) => Promise<Keys | undefined>;
  readonly secret: (name: string) => Promise<Keys | undefined>;
}

/**
 * A source for one container's environment. Its functions throw WasmletError: FailedPrecondition with the API server's
 * words when it refuses, Unavailable when it does not answer.
 */
export function createKeySource(objects: ObjectCache, namespace: string, signal: AbortSignal): KeySource {
  const asked = new Map<string, Promise<Keys | undefined>>();
  const once = (key: string, get: () => Promise<Keys | undefined>) => {
    const promise = asked.get(key) ?? get();
    asked.set(key, promise);
    return promise;
  };
  return {
    configMap: (name) =>
      once(`configmap ${name}`, async () => {
        const found = await reached(() => objects.configMap(namespace, name, signal));
        return found && new Map(Object.entries(found.data ?? {}).map(([key, text]) => [key, () => text]));
      }),
    secret: (name) =>
      once(`secret ${name}`, async () => {
        const found = await reached(() => objects.secret(namespace, name, signal));
        return (
          found &&
          new Map(Object.entries(found.data ?? {}).map(([key, base64]) => [key, () => textOf(name, key, base64)]))
        );
      }),
  };
}

/** The text of a key; a NUL would end the variable early in the guest, so it is refused. */
export function textAt(data: Keys, key: string): string | undefined {
  const text = data.get(key)?.();
  if (text?.includes('\0')) {
    throw new WasmletError(
      'InvalidArgument',
      `the value of key ${key} holds a NUL byte and cannot be a variable; mount it as a file`,
    );
  }
  return text;
}

async function reached<T>(get: () => Promise<T>): Promise<T> {
  try {
    return await get();
  } catch (cause) {
    const code = cause instanceof KubeApiError ? 'FailedPrecondition' : 'Unavailable';
    throw new WasmletError(code, messageOf(cause), { cause });
  }
}

/** A variable is text: the kubelet cannot hand other bytes to its runtime either (CRI strings are UTF-8). */
function textOf(secret: string, key: string, base64: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(base64, 'base64'));
  } catch (cause) {
    throw new WasmletError(
      'InvalidArgument',
      `key ${key} of secret "${secret}" is not UTF-8 text and cannot be a variable; mount it as a file`,
      { cause },
    );
  }
}

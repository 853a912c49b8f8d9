import { messageOf, WasmletError } from '../../base/errors.ts';
import type { ObjectCache } from '../kube/objects.ts';
import type { ConfigMap, Secret, Volume } from '../kube/types.ts';
import type { FileProjection } from './atomic-writer.ts';

/** The API server's default for defaultMode. */
export const DEFAULT_MODE = 0o644;

type KeyToPath = NonNullable<NonNullable<Volume['configMap']>['items']>[number];

/** What volumes of ConfigMaps and Secrets, and projections of them, have in common. */
export interface KeyedSource {
  readonly namespace: string;
  readonly name: string;
  readonly items: readonly KeyToPath[] | undefined;
  readonly defaultMode: number;
  readonly optional: boolean;
}

/**
 * Files of a ConfigMap (pkg/volume/configmap, MakePayload): all keys, or those that `items` names.
 * @throws WasmletError NotFound when it does not exist and is not optional; InvalidArgument when `items` names a key
 *   that it lacks; Unavailable when the API server did not give it
 */
export async function configMapPayload(
  objects: ObjectCache,
  source: KeyedSource,
  signal: AbortSignal,
): Promise<Map<string, FileProjection>> {
  const found = await fetched('configmap', source, () => objects.configMap(source.namespace, source.name, signal));
  return keyedPayload(source, configMapData(found), (key) => `configmap references non-existent config key: ${key}`);
}

/** Files of a Secret (pkg/volume/secret, MakePayload); errors as configMapPayload's. */
export async function secretPayload(
  objects: ObjectCache,
  source: KeyedSource,
  signal: AbortSignal,
): Promise<Map<string, FileProjection>> {
  const found = await fetched('secret', source, () => objects.secret(source.namespace, source.name, signal));
  return keyedPayload(source, secretData(found), (key) => `references non-existent secret key: ${key}`);
}

async function fetched<T>(
  kind: 'configmap' | 'secret',
  source: KeyedSource,
  get: () => Promise<T | undefined>,
): Promise<T | undefined> {
  let object: T | undefined;
  try {
    object = await get();
  } catch (cause) {
    throw new WasmletError('Unavailable', messageOf(cause), { cause });
  }
  if (object === undefined && !source.optional) {
    throw new WasmletError('NotFound', `${kind} "${source.name}" not found`);
  }
  return object;
}

function configMapData(configMap: ConfigMap | undefined): Map<string, Uint8Array> {
  const data = new Map<string, Uint8Array>();
  for (const [key, text] of Object.entries(configMap?.data ?? {})) data.set(key, Buffer.from(text, 'utf8'));
  for (const [key, base64] of Object.entries(configMap?.binaryData ?? {})) data.set(key, Buffer.from(base64, 'base64'));
  return data;
}

function secretData(secret: Secret | undefined): Map<string, Uint8Array> {
  return new Map(Object.entries(secret?.data ?? {}).map(([key, base64]) => [key, Buffer.from(base64, 'base64')]));
}

function keyedPayload(
  source: KeyedSource,
  data: ReadonlyMap<string, Uint8Array>,
  missing: (key: string) => string,
): Map<string, FileProjection> {
  const items = source.items ?? [];
  if (items.length === 0) {
    return new Map([...data].map(([key, bytes]) => [key, { data: bytes, mode: source.defaultMode }]));
  }
  const payload = new Map<string, FileProjection>();
  for (const item of items) {
    const bytes = data.get(item.key);
    if (bytes !== undefined) payload.set(item.path, { data: bytes, mode: item.mode ?? source.defaultMode });
    else if (!source.optional) throw new WasmletError('InvalidArgument', missing(item.key));
  }
  return payload;
}

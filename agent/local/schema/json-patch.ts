import { isDeepStrictEqual } from 'node:util';
import { StatusError } from '../api/errors.ts';
import { isObject } from './decode.ts';

/** One operation of RFC 6902. */
interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** A patch of more operations is refused, as by the API server. */
const MAX_OPERATIONS = 10_000;

const cannot = (): StatusError =>
  new StatusError(422, 'Invalid', 'the server rejected our request due to an error in our request', {});

/**
 * Applies an RFC 6902 patch to a copy.
 * @throws StatusError Invalid when an operation cannot be done
 */
export function jsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch))
    throw new StatusError(400, 'BadRequest', 'error decoding patch: it is not a list of operations');
  if (patch.length > MAX_OPERATIONS) {
    const message = `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`;
    throw new StatusError(413, 'RequestEntityTooLarge', message);
  }
  // A holder, so that the whole document can be replaced too.
  const holder = { root: structuredClone(document) };
  for (const operation of patch as Operation[]) apply(holder, operation);
  return holder.root;
}

function apply(holder: { root: unknown }, operation: Operation): void {
  const path = pointer(operation.path);
  switch (operation.op) {
    case 'add':
      write(holder, path, structuredClone(operation.value), true);
      return;
    case 'remove':
      remove(holder, path);
      return;
    case 'replace':
      read(holder, path);
      write(holder, path, structuredClone(operation.value), false);
      return;
    case 'test':
      if (!isDeepStrictEqual(readOr(holder, path, null), operation.value ?? null)) throw cannot();
      return;
    case 'copy':
      write(holder, path, structuredClone(read(holder, pointer(operation.from ?? ''))), true);
      return;
    case 'move': {
      const from = pointer(operation.from ?? '');
      const value = read(holder, from);
      remove(holder, from);
      write(holder, path, value, true);
      return;
    }
    default:
      throw cannot();
  }
}

/** RFC 6901, under the holder's root. */
function pointer(text: unknown): string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/'))) throw cannot();
  const parts = text.split('/').slice(1);
  return ['root', ...parts.map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))];
}

function child(parent: unknown, key: string): unknown {
  if (Array.isArray(parent)) return parent[indexIn(parent, key, false)] as unknown;
  if (isObject(parent) && Object.hasOwn(parent, key)) return parent[key];
  throw cannot();
}

const read = (holder: object, path: readonly string[]): unknown => path.reduce<unknown>(child, holder);

function readOr(holder: object, path: readonly string[], otherwise: unknown): unknown {
  const parent = read(holder, path.slice(0, -1));
  const key = path.at(-1) ?? '';
  return isObject(parent) && !Object.hasOwn(parent, key) ? otherwise : child(parent, key);
}

function indexIn(list: readonly unknown[], key: string, adding: boolean): number {
  if (adding && key === '-') return list.length;
  const index = /^(0|[1-9]\d*|-[1-9]\d*)$/.test(key) ? Number(key) : NaN;
  const from = index < 0 ? index + list.length : index;
  if (!(from >= 0 && from < list.length + Number(adding))) throw cannot();
  return from;
}

function write(holder: object, path: readonly string[], value: unknown, insert: boolean): void {
  const parent = read(holder, path.slice(0, -1));
  const key = path.at(-1) ?? '';
  if (Array.isArray(parent)) parent.splice(indexIn(parent, key, insert), insert ? 0 : 1, value);
  else if (isObject(parent))
    Object.defineProperty(parent, key, { value, enumerable: true, writable: true, configurable: true });
  else throw cannot();
}

function remove(holder: object, path: readonly string[]): void {
  const parent = read(holder, path.slice(0, -1));
  const key = path.at(-1) ?? '';
  child(parent, key);
  if (Array.isArray(parent)) parent.splice(indexIn(parent, key, false), 1);
  else Reflect.deleteProperty(parent as object, key);
}

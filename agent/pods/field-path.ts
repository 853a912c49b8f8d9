import { WasmletError } from '../../base/errors.ts';
import type { Pod } from '../kube/types.ts';

/**
 * The value of a field of a pod's metadata by its path, as downward API volumes and variables name it
 * (pkg/fieldpath, ExtractFieldPathAsString).
 * @throws WasmletError InvalidArgument with Kubernetes' text
 */
export function fieldPathValue(pod: Pod, fieldPath: string): string {
  const metadata = pod.metadata ?? {};
  const subscripted = splitSubscript(fieldPath);
  if (subscripted) return subscriptValue(pod, fieldPath, subscripted);
  switch (fieldPath) {
    case 'metadata.annotations':
      return formatMap(metadata.annotations ?? {});
    case 'metadata.labels':
      return formatMap(metadata.labels ?? {});
    case 'metadata.name':
      return metadata.name ?? '';
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    default:
      throw new WasmletError('InvalidArgument', `unsupported fieldPath: ${fieldPath}`);
  }
}

interface Subscripted {
  readonly path: string;
  readonly key: string;
}

/** "metadata.labels['a']" to its path and key; undefined for a path without a subscript. */
export function splitSubscript(fieldPath: string): Subscripted | undefined {
  const match = /^(?<path>.+?)\['(?<key>[^]*)'\]$/s.exec(fieldPath);
  return match?.groups ? { path: match.groups['path'] ?? '', key: match.groups['key'] ?? '' } : undefined;
}

function subscriptValue(pod: Pod, fieldPath: string, { path, key }: Subscripted): string {
  const maps = {
    'metadata.annotations': { values: pod.metadata?.annotations, name: key.toLowerCase() },
    'metadata.labels': { values: pod.metadata?.labels, name: key },
  };
  if (path !== 'metadata.annotations' && path !== 'metadata.labels') {
    throw new WasmletError('InvalidArgument', `fieldPath "${fieldPath}" does not support subscript`);
  }
  const { values, name } = maps[path];
  if (!isLabelKey(name)) {
    throw new WasmletError(
      'InvalidArgument',
      `invalid key subscript in ${fieldPath}: must be a label key: at most 63 letters, digits, '-', '_' or '.', which starts and ends with a letter or digit, with an optional DNS subdomain and '/' before it`,
    );
  }
  return values !== undefined && Object.hasOwn(values, key) ? (values[key] ?? '') : '';
}

const LABEL_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** apimachinery's IsLabelKey. */
function isLabelKey(key: string): boolean {
  const parts = key.split('/');
  const name = key.slice(key.lastIndexOf('/') + 1);
  if (parts.length > 2 || name.length > 63 || !LABEL_NAME.test(name)) return false;
  const prefix = parts.length === 2 ? parts[0] : undefined;
  return prefix === undefined || (prefix.length <= 253 && SUBDOMAIN.test(prefix));
}

/** A map as lines of key="value", sorted by key (pkg/fieldpath, FormatMap). */
export function formatMap(map: Readonly<Record<string, string>>): string {
  return Object.keys(map)
    .sort()
    .map((key) => `${key}=${quoteAsGo(map[key] ?? '')}`)
    .join('\n');
}

const GO_ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};
/** Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols, and the ASCII space. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** Go's strconv.Quote: programs that read these files unquote them by Go's rules. */
function quoteAsGo(text: string): string {
  return `"${Array.from(text, escapeAsGo).join('')}"`;
}

function escapeAsGo(character: string): string {
  const known = GO_ESCAPES[character];
  if (known !== undefined) return known;
  if (PRINTABLE.test(character)) return character;
  const point = character.codePointAt(0) ?? 0;
  if (point < 0x20 || point === 0x7f) return `\\x${point.toString(16).padStart(2, '0')}`;
  return point < 0x10000 ? `\\u${point.toString(16).padStart(4, '0')}` : `\\U${point.toString(16).padStart(8, '0')}`;
}

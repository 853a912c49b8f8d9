/** What a path means (apiserver pkg/endpoints/request/requestinfo.go). */
export interface RequestInfo {
  readonly group: string;
  readonly version: string;
  /** '' for what is not about objects. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  /** What follows the subresource, decoded: of a proxied request. */
  readonly rest: readonly string[];
}

const NAMESPACE_SUBRESOURCES = ['status', 'finalize'];

/**
 * @param path without its query
 * @returns undefined for a path that is not one of objects
 * @throws URIError
 */
export function requestInfo(path: string): RequestInfo | undefined {
  const parts = path.split('/').slice(1);
  const decoded = parts.map((part) => decodeURIComponent(part));
  const [root = '', ...after] = decoded;
  if (root === 'api' && after.length >= 2) return objectsInfo('', after[0] ?? '', after.slice(1));
  if (root === 'apis' && after.length >= 3) return objectsInfo(after[0] ?? '', after[1] ?? '', after.slice(2));
  return undefined;
}

function objectsInfo(group: string, version: string, parts: readonly string[]): RequestInfo {
  const [first = '', second = '', third = ''] = parts;
  const about = { group, version };
  if (first !== 'namespaces' || second === '') return { ...about, namespace: '', ...named(parts) };
  // A namespace itself, or what is in it.
  if (third === '' || NAMESPACE_SUBRESOURCES.includes(third)) return { ...about, namespace: '', ...named(parts) };
  return { ...about, namespace: second, ...named(parts.slice(2)) };
}

function named(parts: readonly string[]): Pick<RequestInfo, 'resource' | 'name' | 'subresource' | 'rest'> {
  const [resource = '', name = '', subresource = '', ...rest] = parts;
  return { resource, name, subresource, rest };
}

/** Verbs of the API server's authoriser, which requests are counted by. */
export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

/** 'pods' or 'pods/status' of '/api/v1/namespaces/a/pods/b/status'; paths outside of the API stay as they are. */
export function resourceOf(path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  const rest = parts[0] === 'api' ? parts.slice(2) : parts[0] === 'apis' ? parts.slice(3) : undefined;
  if (!rest || rest.length === 0) return path;
  // '/api/v1/namespaces/a' and '/api/v1/namespaces/a/status' are about the namespace itself.
  const namespaced = rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status' && rest[2] !== 'finalize';
  const [resource = '', , subresource] = namespaced ? rest.slice(2) : rest;
  return subresource === undefined ? resource : `${resource}/${subresource}`;
}

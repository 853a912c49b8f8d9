import { WasmletError } from '../base/errors.ts';
import type { DockerConfig, RegistryAuth } from './service.ts';

/**
 * Parses the content of a pull secret: `.dockerconfigjson` (`{auths: {host: entry}}`) or legacy `.dockercfg`
 * (`{host: entry}`). `auth` (base64 of 'username:password') outranks `username` and `password`, as in the kubelet
 * (pkg/credentialprovider/config.go).
 * @throws WasmletError InvalidArgument when it is not of that form; the message never quotes the content
 */
export function parseDockerConfigJson(text: string): DockerConfig {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // The parser's message would quote the secret.
    throw new WasmletError('InvalidArgument', 'the Docker config is not JSON');
  }
  if (!isObject(parsed)) throw new WasmletError('InvalidArgument', 'the Docker config is not a JSON object');
  const auths = 'auths' in parsed ? (parsed['auths'] ?? {}) : parsed;
  if (!isObject(auths)) throw new WasmletError('InvalidArgument', 'auths in the Docker config is not a JSON object');
  const entries = Object.entries(auths).filter((entry): entry is [string, Record<string, unknown>] =>
    isObject(entry[1]),
  );
  return Object.fromEntries(entries.map(([host, entry]) => [host, parseEntry(host, entry)]));
}

function parseEntry(host: string, entry: Record<string, unknown>): RegistryAuth {
  const text = (key: string) => (typeof entry[key] === 'string' && entry[key] !== '' ? entry[key] : undefined);
  let username = text('username');
  let password = text('password');
  const auth = text('auth');
  if (auth !== undefined) {
    const decoded = decodeBase64(auth.trim());
    const colon = decoded?.indexOf(':') ?? -1;
    if (decoded === undefined || colon < 0) {
      throw new WasmletError(
        'InvalidArgument',
        `unable to parse auth field of ${JSON.stringify(host)}, must be formatted as base64(username:password)`,
      );
    }
    username = decoded.slice(0, colon);
    password = decoded.slice(colon + 1);
  }
  const identityToken = text('identitytoken');
  const registryToken = text('registrytoken');
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(identityToken === undefined ? {} : { identityToken }),
    ...(registryToken === undefined ? {} : { registryToken }),
  };
}

function decodeBase64(text: string): string | undefined {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, 'base64').toString('utf8') : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The credentials that a pod's pull secrets hold for an image, in the order to try them: keys in reverse order, so that
 * 'quay.io/coreos' goes before 'quay.io'; equal keys in the order of the secrets. The kubelet's matching
 * (pkg/credentialprovider/keyring.go): equal port, equal number of host labels each of which may hold `*`, path prefix.
 * @param imageName 'domain/path' of the image, without tag and digest
 */
export function credentialsFor(configs: readonly DockerConfig[], imageName: string): readonly RegistryAuth[] {
  const byKey = new Map<string, RegistryAuth[]>();
  for (const [location, auth] of configs.flatMap((config) => Object.entries(config))) {
    const key = keyOf(location);
    if (key === '') continue;
    byKey.set(key, [...(byKey.get(key) ?? []), auth]);
  }
  const keys = [...byKey.keys()].sort((a, b) => (a < b ? 1 : -1));
  const matching = keys.filter((key) => keyMatches(key, imageName)).flatMap((key) => byKey.get(key) ?? []);
  if (matching.length > 0) return matching;
  return imageName.startsWith('docker.io/') ? (byKey.get('index.docker.io') ?? []) : [];
}

/** A location as users write it ('https://index.docker.io/v1/', 'ghcr.io/org', '*.example.com:5000') as 'host/path'. */
function keyOf(location: string): string {
  const bare = location.replace(/^https?:\/\//, '').replace(/[?#].*$/s, '');
  const { host, path } = splitLocation(bare);
  const effective = /^\/v[12]\//.test(path) ? path.slice(3) : path;
  return host.slice(host.lastIndexOf('@') + 1) + (effective === '/' ? '' : effective);
}

function splitLocation(location: string): { readonly host: string; readonly path: string } {
  const slash = location.indexOf('/');
  return slash < 0 ? { host: location, path: '' } : { host: location.slice(0, slash), path: location.slice(slash) };
}

function splitPort(host: string): { readonly labels: readonly string[]; readonly port: string } {
  const [, name = host, port = ''] = /^(.*):(\d*)$/.exec(host) ?? [];
  // A bracketed IPv6 address without a port ends in ']' and holds colons of its own.
  return host.endsWith(']') ? { labels: host.split('.'), port: '' } : { labels: name.split('.'), port };
}

function keyMatches(key: string, imageName: string): boolean {
  const glob = splitLocation(key);
  const target = splitLocation(imageName);
  const globHost = splitPort(glob.host);
  const targetHost = splitPort(target.host);
  return (
    globHost.port === targetHost.port &&
    globHost.labels.length === targetHost.labels.length &&
    target.path.startsWith(glob.path) &&
    globHost.labels.every((label, at) => wildcardMatches(label, targetHost.labels[at] ?? ''))
  );
}

/** `*` over one host label, in linear time: the pattern is a user's, and must not cost exponential time. */
function wildcardMatches(pattern: string, text: string): boolean {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let resume = 0;
  while (at < text.length) {
    if (pattern[inPattern] === '*') {
      star = inPattern++;
      resume = at;
    } else if (inPattern < pattern.length && pattern[inPattern] === text[at]) {
      inPattern++;
      at++;
    } else if (star >= 0) {
      inPattern = star + 1;
      at = ++resume;
    } else {
      return false;
    }
  }
  return /^\**$/.test(pattern.slice(inPattern));
}

import { isIPv4 } from 'node:net';
import { WasmletError } from '../../base/errors.ts';

/** Whether a host name (of a URL) can only be this machine. */
export function isLoopback(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  return bare === 'localhost' || bare === '::1' || (isIPv4(bare) && bare.startsWith('127.'));
}

/** Which registries are spoken to by plain HTTP. */
export interface PlainHttp {
  /** 'host' or 'host:port' of registries named by the administrator. */
  readonly insecureRegistries: readonly string[];
}

/** Whether plain HTTP may be spoken to a URL's host: this machine's own, and what the administrator named. */
export function allowsPlainHttp(url: URL, { insecureRegistries }: PlainHttp): boolean {
  return isLoopback(url.hostname) || insecureRegistries.includes(url.host) || insecureRegistries.includes(url.hostname);
}

/**
 * Where a registry's API is: Docker Hub's differs from its name; plain HTTP for loopback and insecure registries only.
 * @param domain as in a reference: 'docker.io', 'localhost:5000'
 * @throws WasmletError ErrImagePull when it cannot be one
 */
export function registryUrl(domain: string, plain: PlainHttp): URL {
  if (domain === 'docker.io') return new URL('https://registry-1.docker.io');
  if (!URL.canParse(`https://${domain}`)) {
    throw new WasmletError('ErrImagePull', `registry ${domain} is not a host, or a host and a port, that there can be`);
  }
  const url = new URL(`https://${domain}`);
  // Built anew from what the user wrote: url.host leaves out the port 443.
  return allowsPlainHttp(url, plain) || plain.insecureRegistries.includes(domain) ? new URL(`http://${domain}`) : url;
}

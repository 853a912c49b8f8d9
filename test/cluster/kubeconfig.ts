import { writeFile } from 'node:fs/promises';
import { stringify } from 'yaml';
import type { KeyPair } from './certificates.ts';

/** The API server as its clients see it. */
export interface ServerAddress {
  /** 'https://127.0.0.1:6443' */
  readonly server: string;
  /** PEM of the authority that signed its certificate. */
  readonly authority: string;
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

/**
 * Writes a kubeconfig with one cluster, one user, one context, readable by its owner alone.
 * @param user the client certificate or the bearer token to come with
 * @returns the path given
 */
export async function writeKubeconfig(
  path: string,
  address: ServerAddress,
  user: KeyPair | { readonly token: string },
): Promise<string> {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'wasmlet',
        cluster: { server: address.server, 'certificate-authority-data': base64(address.authority) },
      },
    ],
    users: [
      {
        name: 'user',
        user:
          'token' in user
            ? { token: user.token }
            : { 'client-certificate-data': base64(user.certificate), 'client-key-data': base64(user.key) },
      },
    ],
    contexts: [{ name: 'wasmlet', context: { cluster: 'wasmlet', user: 'user' } }],
    'current-context': 'wasmlet',
  };
  await writeFile(path, stringify(config), { mode: 0o600 });
  return path;
}

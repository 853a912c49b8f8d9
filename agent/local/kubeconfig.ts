import { stringify } from 'yaml';
import { writeFileAtomic } from '../../base/record.ts';
import type { KeyPair } from './auth/authority.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Writes a kubeconfig that holds all it needs, for its owner's eyes alone. */
export async function writeKubeconfig(
  file: string,
  server: { readonly url: string; readonly authority: string },
  user: KeyPair,
): Promise<void> {
  const name = 'wasmlet';
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: server.url, 'certificate-authority-data': base64(server.authority) } }],
    users: [
      {
        name,
        user: { 'client-certificate-data': base64(user.certificate), 'client-key-data': base64(user.key) },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  await writeFileAtomic(file, stringify(kubeconfig));
}

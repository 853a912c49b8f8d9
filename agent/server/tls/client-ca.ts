import { readFile } from 'node:fs/promises';
import { messageOf, WasmletError } from '../../../base/errors.ts';
import { KubeApiError, type KubeClient } from '../../kube/client.ts';
import type { ConfigMap } from '../../kube/types.ts';

const CONFIG_MAP = '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication';
const KEY = 'client-ca-file';

export interface ClientCAOptions {
  readonly client: KubeClient;
  /** The configuration's clientCAFile; '' for none. */
  readonly clientCAFile: string;
  /** The certificate authority of the cluster by the node's kubeconfig, PEM; '' for none. */
  readonly clusterCA: () => string;
}

/** Where a bundle came from, for the log. */
export type ClientCASource = 'clientCAFile' | 'extension-apiserver-authentication' | 'kubeconfig';

export interface ClientCA {
  readonly source: ClientCASource;
  /** PEM bundle; '' trusts nobody. */
  readonly bundle: string;
}

/**
 * The authorities whose client certificates are believed: those of a file, as in the kubelet; else those that the API
 * server publishes in a ConfigMap; and where the node may not read that one, as the node authorizer has it unless an
 * administrator binds the role extension-apiserver-authentication-reader, the cluster's own of the kubeconfig.
 * @throws WasmletError InvalidConfig when the file cannot be read; what the client throws when the API server cannot tell
 */
export async function loadClientCA(options: ClientCAOptions): Promise<ClientCA> {
  if (options.clientCAFile !== '') {
    return { source: 'clientCAFile', bundle: await readBundle(options.clientCAFile) };
  }
  try {
    const { data } = await options.client.get<ConfigMap>(CONFIG_MAP);
    const published = data?.[KEY];
    if (published) return { source: 'extension-apiserver-authentication', bundle: published };
  } catch (error) {
    if (!(error instanceof KubeApiError) || ![401, 403, 404].includes(error.status)) throw error;
  }
  return { source: 'kubeconfig', bundle: options.clusterCA() };
}

async function readBundle(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new WasmletError('InvalidConfig', `clientCAFile ${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

import { readFile } from 'node:fs/promises';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { createExecCredentials, type ExecCredentials } from './exec-plugin.ts';
import type { KubeConfig } from './kubeconfig.ts';

/** What a connection and its requests need to prove who they are. */
export interface Credentials {
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly rejectUnauthorized: boolean;
    readonly servername?: string;
  };
  /** The authorization header, where there is one. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Reads the credentials of a kubeconfig, as they are now. */
export interface CredentialSource {
  /** Whether they may change by themselves from request to request: tokens in files, exec plugins. */
  readonly dynamic: boolean;
  /** @throws WasmletError InvalidConfig when a file is missing or a plugin fails */
  read(): Promise<Credentials>;
}

export function createCredentialSource({ cluster, user }: KubeConfig): CredentialSource {
  const plugin: ExecCredentials | undefined = user.exec && createExecCredentials(user.exec);
  const read = async (): Promise<Credentials> => {
    const [ca, cert, key, fileToken, answer] = await Promise.all([
      textOf(cluster.ca, cluster.caFile),
      textOf(user.certificate, user.certificateFile),
      textOf(user.key, user.keyFile),
      textOf(undefined, user.tokenFile),
      plugin?.get(),
    ]);
    const token = answer?.token ?? fileToken?.trim() ?? user.token;
    const tls = {
      ca,
      cert: answer?.clientCertificateData ?? cert,
      key: answer?.clientKeyData ?? key,
      servername: cluster.tlsServerName,
      rejectUnauthorized: !cluster.insecureSkipTLSVerify,
    };
    return {
      tls: Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined)) as Credentials['tls'],
      headers: authorization(token, user),
    };
  };
  return {
    dynamic: plugin !== undefined || user.tokenFile !== undefined,
    async read() {
      try {
        return await read();
      } catch (cause) {
        throw new WasmletError('InvalidConfig', `the cluster's credentials cannot be read: ${messageOf(cause)}`, {
          cause,
        });
      }
    },
  };
}

function authorization(token: string | undefined, { username, password }: KubeConfig['user']): Record<string, string> {
  if (token !== undefined && token !== '') return { authorization: `Bearer ${token}` };
  if (username === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}` };
}

async function textOf(text: string | undefined, file: string | undefined): Promise<string | undefined> {
  if (text !== undefined || file === undefined) return text;
  return readFile(file, 'utf8');
}

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { messageOf, WasmletError } from '../../base/errors.ts';

/** The current context of a kubeconfig, with the paths in it made absolute. */
export interface KubeConfig {
  readonly cluster: KubeCluster;
  readonly user: KubeUser;
}

export interface KubeCluster {
  readonly server: string;
  /** PEM of the authorities: a file, or the text itself; neither: those of the machine. */
  readonly caFile?: string;
  readonly ca?: string;
  readonly insecureSkipTLSVerify: boolean;
  readonly tlsServerName?: string;
  readonly proxyUrl?: string;
}

export interface KubeUser {
  readonly certificateFile?: string;
  readonly certificate?: string;
  readonly keyFile?: string;
  readonly key?: string;
  readonly token?: string;
  /** Read again as it changes; stands before `token`. */
  readonly tokenFile?: string;
  readonly username?: string;
  readonly password?: string;
  readonly exec?: ExecPlugin;
}

/** A client-go credential plugin (client.authentication.k8s.io). */
export interface ExecPlugin {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
}

/** Where a pod finds its service account. */
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

const text = z.string().optional();
/** Base64, decoded. */
const data = z
  .string()
  .optional()
  .transform((value) => (value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8')));

const clusterSchema = z.object({
  server: z.string().min(1),
  'certificate-authority': text,
  'certificate-authority-data': data,
  'insecure-skip-tls-verify': z.boolean().default(false),
  'tls-server-name': text,
  'proxy-url': text,
});

const execSchema = z.object({
  apiVersion: z.string(),
  command: z.string().min(1),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
});

const userSchema = z.object({
  'client-certificate': text,
  'client-certificate-data': data,
  'client-key': text,
  'client-key-data': data,
  token: text,
  tokenFile: text,
  username: text,
  password: text,
  exec: execSchema.nullish(),
  'auth-provider': z.undefined('auth-provider was removed from Kubernetes: use an exec plugin').optional(),
});

const named = <T extends z.ZodType>(key: string, schema: T) => z.array(z.object({ name: z.string(), [key]: schema }));

const fileSchema = z.object({
  'current-context': z.string().min(1, 'no current-context is set'),
  contexts: named('context', z.object({ cluster: z.string(), user: z.string().optional() })),
  clusters: named('cluster', z.unknown()),
  users: named('user', z.unknown()).nullish(),
});

/**
 * Loads the current context of a kubeconfig file.
 * @throws WasmletError InvalidConfig when it cannot be read, does not parse or lacks what the context names
 */
export function loadKubeConfig(file: string): KubeConfig {
  try {
    return parseKubeConfig(readFileSync(file, 'utf8'), dirname(resolve(file)));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? cause.issues.map(describeIssue).join('; ') : messageOf(cause);
    throw new WasmletError('InvalidConfig', `kubeconfig ${file} cannot be used: ${why}`, { cause });
  }
}

function parseKubeConfig(content: string, folder: string): KubeConfig {
  const file = fileSchema.parse(parse(content));
  const context = entry(file.contexts, 'context', file['current-context']) as { cluster: string; user?: string };
  const cluster = clusterSchema.parse(entry(file.clusters, 'cluster', context.cluster));
  const userEntry = context.user === undefined ? {} : entry(file.users ?? [], 'user', context.user);
  const user = userSchema.parse(userEntry ?? {});
  const path = (value: string | undefined) => (value ? resolve(folder, value) : undefined);
  return {
    cluster: defined({
      server: cluster.server,
      caFile: path(cluster['certificate-authority']),
      ca: cluster['certificate-authority-data'],
      insecureSkipTLSVerify: cluster['insecure-skip-tls-verify'],
      tlsServerName: cluster['tls-server-name'],
      proxyUrl: cluster['proxy-url'],
    }),
    user: defined({
      certificateFile: path(user['client-certificate']),
      certificate: user['client-certificate-data'],
      keyFile: path(user['client-key']),
      key: user['client-key-data'],
      token: user.token,
      tokenFile: path(user.tokenFile),
      username: user.username,
      password: user.password,
      exec: user.exec ? pluginOf(user.exec, folder) : undefined,
    }),
  };
}

function entry(entries: readonly Record<string, unknown>[], key: string, name: string): unknown {
  const found = entries.find((candidate) => candidate['name'] === name);
  if (!found) throw new Error(`it has no ${key} ${JSON.stringify(name)}`);
  return found[key];
}

/** A command with a slash is relative to the kubeconfig; one without is looked for in PATH. */
function pluginOf({ apiVersion, command, args, env }: z.infer<typeof execSchema>, folder: string): ExecPlugin {
  const path = command.includes('/') ? resolve(folder, command) : command;
  return { apiVersion, command: path, args: args ?? [], env: env ?? [] };
}

type Defined<T> = { [Key in keyof T as undefined extends T[Key] ? never : Key]: T[Key] } & {
  [Key in keyof T as undefined extends T[Key] ? Key : never]?: Exclude<T[Key], undefined>;
};

/** Without the properties that are undefined. */
const defined = <T extends object>(value: T): Defined<T> =>
  Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Defined<T>;

/** The service account of the pod that this process runs in; undefined outside of a cluster. */
export function inClusterConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
  folder = SERVICE_ACCOUNT,
): KubeConfig | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (!host || !port || !isReadable(`${folder}/token`)) return undefined;
  return {
    cluster: {
      server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
      caFile: `${folder}/ca.crt`,
      insecureSkipTLSVerify: false,
    },
    user: { tokenFile: `${folder}/token` },
  };
}

function isReadable(file: string): boolean {
  try {
    readFileSync(file);
    return true;
  } catch {
    return false;
  }
}

/** The certificate authorities of the cluster, PEM; '' when the machine's own are meant. */
export function certificateAuthorityOf({ ca, caFile }: KubeCluster): string {
  return ca ?? (caFile === undefined ? '' : readFileSync(caFile, 'utf8'));
}

const describeIssue = ({ path, message }: z.core.$ZodIssue): string =>
  path.length > 0 ? `${path.join('.')}: ${message}` : message;

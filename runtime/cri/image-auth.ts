import { WasmletError } from '../../base/errors.ts';
import type { Reference } from '../../images/reference.ts';
import type { DockerConfig, RegistryAuth } from '../../images/service.ts';
import type { AuthConfig } from './messages.ts';

/**
 * The credentials of a pull, for the image's registry alone: where they name a server, and it is another, the pull is
 * anonymous (containerd's ParseAuth).
 * @throws WasmletError InvalidArgument for an `auth` that is not base64 of 'username:password'; it is never quoted
 */
export function dockerConfigOf(auth: AuthConfig, reference: Reference): readonly DockerConfig[] {
  const server = auth.serverAddress.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  if (server !== '' && serverOf(server) !== reference.domain) return [];
  const credentials = credentialsOf(auth);
  return Object.keys(credentials).length === 0 ? [] : [{ [reference.domain]: credentials }];
}

/** Docker's hub goes by several names. */
const serverOf = (server: string): string =>
  ['index.docker.io', 'registry-1.docker.io'].includes(server) ? 'docker.io' : server;

/** The first that is given: username, identity token, `auth`, registry token. */
function credentialsOf({ username, password, identityToken, auth, registryToken }: AuthConfig): RegistryAuth {
  if (username !== '') return { username, password };
  if (identityToken !== '') return { identityToken };
  if (auth !== '') return decode(auth);
  if (registryToken !== '') return { registryToken };
  return {};
}

function decode(auth: string): RegistryAuth {
  const text = Buffer.from(auth, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) throw new WasmletError('InvalidArgument', 'the auth of the pull is not base64(username:password)');
  // Docker's own tools pad with zeros.
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, '') };
}

import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface TokenServerOptions extends Credentials {
  /** Whether a request without credentials gets a token that may pull from repositories under 'public/'. */
  readonly anonymousPull?: boolean;
}

/** A token server as the distribution specification's token authentication describes it, for the reference registry. */
export interface TokenServer extends AsyncDisposable {
  /** The realm that the registry sends clients to. */
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** The public key, for the registry's `jwks` file. */
  readonly jwks: object;
  /** The requests answered so far, without secrets: whether credentials came, for which scopes, with which headers. */
  readonly requests: {
    readonly user: string | undefined;
    readonly scopes: readonly string[];
    readonly headers: object;
  }[];
}

interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

const SERVICE = 'wasmlet-test-registry';
const ISSUER = 'wasmlet-test-token-server';
const TOKEN_SECONDS = 300;

/** Starts a token server on a free loopback port. It signs RS256. */
export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = publicKey.export({ format: 'jwk' });
  const kid = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url');
  const requests: TokenServer['requests'] = [];

  const tokenFor = (user: string, access: readonly Access[]): string => {
    const now = Math.floor(Date.now() / 1000);
    const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const claims = { iss: ISSUER, sub: user, aud: SERVICE, exp: now + TOKEN_SECONDS, nbf: now - 60, iat: now };
    const signed = `${encode({ typ: 'JWT', alg: 'RS256', kid })}.${encode({ ...claims, jti: randomUUID(), access })}`;
    return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), privateKey).toString('base64url')}`;
  };

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const scopes = url.searchParams.getAll('scope');
    const user = userOf(request.headers.authorization, options);
    requests.push({ user: user ?? undefined, scopes, headers: { ...request.headers, authorization: undefined } });
    if (user === null) {
      response.writeHead(401, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'incorrect username or password' }] }));
      return;
    }
    const access = scopes.map(parseScope).map((wanted) => granted(wanted, user, options.anonymousPull ?? false));
    const token = tokenFor(user ?? '', access);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ token, expires_in: TOKEN_SECONDS, issued_at: new Date().toISOString() }));
  };

  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    realm: `http://127.0.0.1:${port}/token`,
    service: SERVICE,
    issuer: ISSUER,
    jwks: { keys: [{ ...jwk, kid, use: 'sig', alg: 'RS256' }] },
    requests,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** The user of a basic authorization; undefined without one, null when the password is wrong. */
function userOf(header: string | undefined, known: Credentials): string | undefined | null {
  if (header === undefined) return undefined;
  const [scheme, credentials = ''] = header.split(' ');
  if (scheme?.toLowerCase() !== 'basic') return null;
  const sent = Buffer.from(credentials, 'base64').toString('utf8');
  return sent === `${known.username}:${known.password}` ? known.username : null;
}

/** 'repository:samalba/my-app:pull,push'; a name may hold colons, as that of a host with a port does. */
function parseScope(scope: string): Access {
  const parts = scope.split(':');
  const actions = (parts.pop() ?? '').split(',').filter((action) => action !== '');
  return { type: parts.shift() ?? '', name: parts.join(':'), actions };
}

function granted(wanted: Access, user: string | undefined, anonymousPull: boolean): Access {
  if (user !== undefined) return wanted;
  const mayPull = anonymousPull && wanted.type === 'repository' && wanted.name.startsWith('public/');
  return { ...wanted, actions: mayPull ? wanted.actions.filter((action) => action === 'pull') : [] };
}

import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { messageOf } from '../../base/errors.ts';
import { runOrThrow } from '../support/command.ts';
import { freePort } from '../support/ports.ts';
import { startServer } from '../support/server-process.ts';
import type { Report } from '../support/progress.ts';
import { buildTools } from '../support/tools.ts';
import type { Scratch } from '../support/watchdog.ts';
import { createScratch } from '../support/watchdog.ts';
import type { Credentials, TokenServer, TokenServerOptions } from './token-server.ts';
import { startTokenServer } from './token-server.ts';

export interface RegistryOptions {
  /** Every request needs basic authentication as this user. */
  readonly htpasswd?: Credentials;
  /** Token authentication as this user, by a token server of its own; takes the place of htpasswd. */
  readonly token?: TokenServerOptions;
  readonly report?: Report;
  /** Gives the build of the registry up. */
  readonly signal?: AbortSignal;
}

/** The reference registry (distribution v3) on loopback, over plain HTTP. Disposed, it and its storage are gone. */
export interface Registry extends AsyncDisposable {
  /** Host and port as in an image reference: '127.0.0.1:5000'. */
  readonly address: string;
  /** 'http://127.0.0.1:5000' */
  readonly url: string;
  readonly tokenServer: TokenServer | undefined;
  /** The tail of its log. */
  readonly tail: () => Promise<string>;
}

const START_TIMEOUT_MS = 30_000;
const PORT_ATTEMPTS = 3;

/**
 * Starts a registry.
 * @throws WasmletError FailedPrecondition without Go; Unavailable, with the tail of its log, when it does not start
 */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const tools = await buildTools(['registry', 'controlPlane'], options);
  await using stack = new AsyncDisposableStack();
  const scratch = stack.use(await createScratch('wasmlet-registry-'));
  const tokenServer = options.token ? stack.use(await startTokenServer(options.token)) : undefined;
  const auth = tokenServer
    ? await tokenAuth(scratch, tokenServer)
    : options.htpasswd && (await basicAuth(scratch, tools.controlPlane, options.htpasswd));
  for (let attempt = 1; ; attempt += 1) {
    const address = `127.0.0.1:${await freePort()}`;
    const url = `http://${address}`;
    await using started = new AsyncDisposableStack();
    const server = started.use(await serve(scratch, tools.registry, address, auth));
    try {
      await server.untilReady(() => answers(url), START_TIMEOUT_MS);
    } catch (error) {
      if (attempt < PORT_ATTEMPTS && messageOf(error).includes('address already in use')) continue;
      throw error;
    }
    stack.use(started.move());
    const owned = stack.move();
    return { address, url, tokenServer, tail: () => server.tail(), [Symbol.asyncDispose]: () => owned.disposeAsync() };
  }
}

async function serve(scratch: Scratch, command: string, address: string, auth: object | undefined) {
  const config = {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(scratch.folder, 'storage') },
      delete: { enabled: true },
    },
    http: { addr: address, secret: randomBytes(16).toString('hex') },
    ...(auth === undefined ? {} : { auth }),
  };
  const configFile = join(scratch.folder, 'config.yml');
  await writeFile(configFile, stringify(config), { mode: 0o600 });
  return startServer({
    name: 'registry',
    command,
    args: ['serve', configFile],
    // Without this it looks for a collector of traces.
    env: { ...process.env, ...scratch.env, OTEL_TRACES_EXPORTER: 'none' },
    logFile: join(scratch.folder, 'registry.log'),
  });
}

async function basicAuth(scratch: Scratch, controlPlane: string, { username, password }: Credentials): Promise<object> {
  const { stdout } = await runOrThrow(controlPlane, ['htpasswd', username], { input: password });
  const path = join(scratch.folder, 'htpasswd');
  await writeFile(path, stdout, { mode: 0o600 });
  return { htpasswd: { realm: 'wasmlet-test-registry', path } };
}

async function tokenAuth(scratch: Scratch, server: TokenServer): Promise<object> {
  const jwks = join(scratch.folder, 'jwks.json');
  await writeFile(jwks, JSON.stringify(server.jwks));
  const { realm, service, issuer } = server;
  return { token: { realm, service, issuer, jwks, signingalgorithms: ['RS256'] } };
}

/** Whether /v2/ answers; 401 is the answer of a registry with authentication. */
async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/v2/`, { signal: AbortSignal.timeout(2000) });
    await response.body?.cancel();
    return response.status === 200 || response.status === 401;
  } catch {
    return false;
  }
}

import { WasmletError } from '../../base/errors.ts';
import { LIMITS } from '../limits.ts';
import type { RegistryAuth } from '../service.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import { shown, unexpectedStatus } from './errors.ts';
import { allowsPlainHttp, type PlainHttp } from './hosts.ts';
import type { Transport } from './transport.ts';

/** What answers a registry's challenges for one repository, with one set of credentials or none. */
export class Authenticator {
  readonly #transport: Transport;
  readonly #registry: URL;
  readonly #scope: string;
  readonly #pushes: boolean;
  readonly #auth: RegistryAuth | undefined;
  readonly #plain: PlainHttp;
  #authorization: string | undefined;

  constructor(options: {
    transport: Transport;
    registry: URL;
    repository: string;
    auth: RegistryAuth | undefined;
    plain: PlainHttp;
    /** What is done there; default: it is only read from. */
    actions?: 'pull' | 'pull,push';
  }) {
    this.#transport = options.transport;
    this.#registry = options.registry;
    this.#scope = `repository:${options.repository}:${options.actions ?? 'pull'}`;
    this.#pushes = options.actions === 'pull,push';
    this.#auth = options.auth;
    this.#plain = options.plain;
  }

  /** The Authorization header to send to the registry's own origin now. */
  get authorization(): string | undefined {
    return this.#authorization;
  }

  /**
   * Answers a 401's challenges.
   * @returns whether there is something new to try with
   * @throws WasmletError (RegistryStatusError) when the token realm refuses, ErrImagePull when it is not to be trusted
   */
  async answer(header: string | readonly string[] | undefined, signal: AbortSignal): Promise<boolean> {
    const challenges = parseChallenges(header);
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    const before = this.#authorization;
    if (bearer !== undefined) {
      this.#authorization = `Bearer ${this.#auth?.registryToken ?? (await this.#fetchToken(bearer, signal))}`;
    } else if (challenges.some(({ scheme }) => scheme === 'basic')) {
      this.#authorization = this.#basic();
    }
    return this.#authorization !== undefined && this.#authorization !== before;
  }

  /**
   * What the token is to be good for. Who pushes asks for all of it each time, for its requests go side by side, and the
   * token that one of them got is used by the next.
   */
  #scopes(challenge: Challenge): readonly string[] {
    const asked = challenge.parameters['scope'];
    if (!this.#pushes) return [asked ?? this.#scope];
    const repository = this.#scope.replace(/:[^:]*$/, ':');
    const others = (asked ?? '').split(' ').filter((scope) => scope !== '' && !scope.startsWith(repository));
    return [this.#scope, ...others];
  }

  #basic(): string | undefined {
    const { username, password } = this.#auth ?? {};
    if (username === undefined || password === undefined) return undefined;
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  /** Asks the realm for a token (distribution's docs: spec/auth/token and spec/auth/oauth). */
  async #fetchToken(challenge: Challenge, signal: AbortSignal): Promise<string> {
    const realm = this.#realm(challenge.parameters['realm'] ?? '');
    const service = challenge.parameters['service'];
    const identityToken = this.#auth?.identityToken;
    const query = new URLSearchParams(service === undefined ? {} : { service });
    const scopes = this.#scopes(challenge);
    if (identityToken !== undefined) {
      query.set('scope', scopes.join(' '));
      query.set('grant_type', 'refresh_token');
      query.set('client_id', 'wasmlet');
      query.set('refresh_token', identityToken);
    } else {
      for (const scope of scopes) query.append('scope', scope);
      for (const [key, value] of query) realm.searchParams.append(key, value);
    }
    // Built anew: nothing that was meant for the registry goes to the realm.
    const reply = await this.#transport.send(
      identityToken === undefined
        ? { method: 'GET', url: realm, headers: {}, authorization: this.#basic(), followRedirects: false }
        : {
            method: 'POST',
            url: realm,
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
            body: query.toString(),
            followRedirects: false,
          },
      signal,
    );
    if (reply.status !== 200) {
      const error = unexpectedStatus(
        identityToken === undefined ? 'GET' : 'POST',
        reply,
        await this.#transport.drain(reply),
      );
      error.message = `failed to authorize: failed to fetch ${this.#auth === undefined ? 'anonymous' : 'oauth'} token: ${error.message}`;
      throw error;
    }
    return parseToken(realm, await this.#transport.readBody(reply, LIMITS.tokenBytes, signal));
  }

  /** The realm's address, where it may be told a credential: HTTPS, or beside a registry that is itself plain HTTP. */
  #realm(text: string): URL {
    const realm = URL.canParse(text) ? new URL(text) : undefined;
    const plainAllowed =
      this.#registry.protocol === 'http:' && realm !== undefined && allowsPlainHttp(realm, this.#plain);
    const trusted =
      realm !== undefined &&
      realm.username === '' &&
      realm.password === '' &&
      (realm.protocol === 'https:' || (realm.protocol === 'http:' && plainAllowed));
    if (!trusted) {
      const where = realm === undefined ? 'an address that does not parse' : shown(realm);
      throw new WasmletError(
        'ErrImagePull',
        `failed to authorize: registry ${this.#registry.host} names ${where} as its token realm, which is not HTTPS ` +
          `or not an address that credentials may go to; ask the registry's administrator`,
      );
    }
    return realm;
  }
}

function parseToken(realm: URL, body: Buffer): string {
  let parsed: { token?: unknown; access_token?: unknown } | null;
  try {
    parsed = JSON.parse(body.toString('utf8')) as { token?: unknown; access_token?: unknown } | null;
  } catch {
    parsed = null;
  }
  const token = [parsed?.token, parsed?.access_token].find((value) => typeof value === 'string' && value !== '');
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw new WasmletError('ErrImagePull', `failed to authorize: token realm ${shown(realm)} answered without a token`);
  }
  return token;
}

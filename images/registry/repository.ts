import type { Reference } from '../reference.ts';
import type { RegistryAuth } from '../service.ts';
import { Authenticator } from './auth.ts';
import { unexpectedStatus } from './errors.ts';
import { registryUrl, type PlainHttp } from './hosts.ts';
import type { Reply, Request, Transport } from './transport.ts';

export interface RepositoryOptions {
  readonly transport: Transport;
  readonly reference: Pick<Reference, 'domain' | 'path'>;
  readonly auth: RegistryAuth | undefined;
  readonly plain: PlainHttp;
  /** Default: 'pull'. */
  readonly actions?: 'pull' | 'pull,push';
}

export interface RepositoryRequest extends Pick<Request, 'method' | 'headers' | 'body' | 'followRedirects'> {
  /** Beneath '/v2/<name>/', or an address that the registry has given. */
  readonly path: string | URL;
}

/** One repository of a registry, spoken to with one set of credentials or none. */
export class Repository {
  readonly #transport: Transport;
  readonly #base: URL;
  readonly #authenticator: Authenticator;

  /** @throws WasmletError ErrImagePull for a registry that there cannot be */
  constructor({ transport, reference, auth, plain, actions = 'pull' }: RepositoryOptions) {
    const registry = registryUrl(reference.domain, plain);
    this.#transport = transport;
    this.#base = new URL(`/v2/${reference.path}/`, registry);
    this.#authenticator = new Authenticator({ transport, registry, repository: reference.path, auth, plain, actions });
  }

  /** The repository's own address. */
  get base(): URL {
    return this.#base;
  }

  /**
   * One request, answered to a challenge where the registry itself (and not a host it redirected to) poses one.
   * Credentials go to the registry's own origin only.
   */
  async send({ path, ...what }: RepositoryRequest, signal: AbortSignal): Promise<Reply> {
    const url = new URL(path, this.#base);
    const isOwn = url.origin === this.#base.origin;
    const once = () =>
      this.#transport.send(
        { ...what, url, ...(isOwn ? { authorization: this.#authenticator.authorization } : {}) },
        signal,
      );
    let used = this.#authenticator.authorization;
    let reply = await once();
    if (reply.status === 401 && isOwn && this.#authenticator.authorization !== used) {
      // Another request of the same moment has answered the challenge.
      await this.#transport.drain(reply);
      used = this.#authenticator.authorization;
      reply = await once();
    }
    if (reply.status !== 401 || reply.foreign || !isOwn) return reply;
    const body = await this.#transport.drain(reply);
    const isAnswered = await this.#authenticator.answer(reply.headers['www-authenticate'], signal);
    if (isAnswered || this.#authenticator.authorization !== used) return once();
    throw unexpectedStatus(what.method, reply, body);
  }
}

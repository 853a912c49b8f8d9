import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { KubeClient } from '../../kube/client.ts';
import { sendText } from '../routes/respond.ts';
import { authorizationAttributes } from './attributes.ts';
import { AuthorizationError, Authorizer } from './authorizer.ts';
import { bearerTokenOf, TokenAuthenticator } from './bearer-token.ts';
import { userOfCertificate } from './client-certificate.ts';
import type { UserInfo } from './user.ts';

export interface AuthOptions {
  readonly client: KubeClient;
  readonly nodeName: string;
  /** Whether certificates of this connection were checked against the client CA as it is now. */
  readonly trusts: (socket: Socket) => boolean;
  readonly logger: Logger;
}

/**
 * Lets a request through when its user is known and may make it, as the kubelet's auth filter does
 * (pkg/kubelet/server/server.go, InstallAuthFilter). Nothing is anonymous, unknown paths included.
 */
export function createAuthFilter(options: AuthOptions): RequestHandler {
  const { client, nodeName, trusts, logger } = options;
  const tokens = new TokenAuthenticator(client);
  const authorizer = new Authorizer(client, nodeName);

  const userOf = async (request: Request): Promise<UserInfo | undefined> => {
    const { socket } = request;
    const user = socket instanceof TLSSocket && trusts(socket) ? userOfCertificate(socket) : undefined;
    if (user) return user;
    const token = bearerTokenOf(request.headers.authorization);
    return token === undefined ? undefined : await tokens.authenticate(token);
  };

  return async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    let user: UserInfo | undefined;
    try {
      user = await userOf(request);
    } catch (error) {
      logger.warn('a request could not be authenticated', { error: messageOf(error) });
    }
    if (!user) {
      // A connection whose certificate was checked against a client CA of the past is not to be tried again.
      response.set('Connection', 'close');
      sendText(response, 401, 'Unauthorized');
      return;
    }
    // The very path that the routes match, so that no spelling is authorised as one thing and served as another.
    const attributes = authorizationAttributes(request.method, request.path);
    const { verb, subresources } = attributes;
    try {
      if (!(await authorizer.isAllowed(user, attributes))) {
        const what = `user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}]`;
        logger.info('request forbidden', { user: user.name, verb, subresources });
        sendText(response, 403, `Forbidden (${what})\n`);
        return;
      }
    } catch (error) {
      const subresource = error instanceof AuthorizationError ? error.subresource : subresources[0];
      logger.error('a request could not be authorised', { user: user.name, verb, subresource, error });
      const what = `user=${user.name}, verb=${verb}, resource=nodes, subresource=${subresource}`;
      sendText(response, 500, `Authorization error (${what})`);
      return;
    }
    next();
  };
}

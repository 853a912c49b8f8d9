import type { RequestHandler, Response } from 'express';

/** Answers with plain text, byte for byte: the API server passes it on to the user. */
export function sendText(response: Response, status: number, text: string): void {
  response.status(status).set('Content-Type', 'text/plain; charset=utf-8').end(text);
}

/** Refuses every method but those of the route before it, as go-restful does for the kubelet. */
export function methodNotAllowed(...allowed: string[]): RequestHandler {
  return (_request, response) => {
    response.set('Allow', allowed.join(', '));
    sendText(response, 405, '405: Method Not Allowed');
  };
}

/** Every path that the node's API does not have. */
export const notFound: RequestHandler = (_request, response) => sendText(response, 404, '404: Page Not Found');

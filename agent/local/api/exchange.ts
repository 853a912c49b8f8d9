import type { IncomingMessage, ServerResponse } from 'node:http';
import type { UserInfo } from '../../server/auth/user.ts';
import { StatusError } from './errors.ts';

/** One request with all that is known of it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly user: UserInfo;
  /** Shown by clients: 'unknown field "spec.foo"'. Sent as headers with the answer. */
  readonly warnings: string[];
}

/** Bytes of a request's body, as the API server takes them. */
const MAX_BODY = 3 * 1024 * 1024;

/** @throws StatusError RequestEntityTooLarge */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) {
      const message = `Request entity too large: limit is ${MAX_BODY}`;
      throw new StatusError(413, 'RequestEntityTooLarge', message);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function sendJson(
  { response, warnings }: Pick<Exchange, 'response' | 'warnings'>,
  code: number,
  body: object,
): void {
  sendText(response, code, `${JSON.stringify(body)}\n`, { type: 'application/json', warnings });
}

export function sendText(
  response: ServerResponse,
  code: number,
  text: string,
  { type = 'text/plain; charset=utf-8', warnings = [] }: { type?: string; warnings?: readonly string[] } = {},
): void {
  if (response.headersSent || response.destroyed) return;
  const body = Buffer.from(text);
  response.writeHead(code, {
    'Content-Type': type,
    'Content-Length': body.length,
    'Cache-Control': 'no-cache, private',
    'X-Content-Type-Options': 'nosniff',
    ...(warnings.length > 0 ? { Warning: warnings.map((warning) => `299 - ${quoted(warning)}`) } : {}),
  });
  response.end(body);
}

/** A quoted string of RFC 9110; headers hold no line breaks. */
const quoted = (text: string): string => `"${text.replace(/[\r\n]+/g, ' ').replace(/["\\]/g, '\\$&')}"`;

export function sendError(exchange: Pick<Exchange, 'response' | 'warnings'>, error: StatusError): void {
  sendJson(exchange, error.code, error.toStatus());
}

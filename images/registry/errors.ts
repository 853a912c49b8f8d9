import { STATUS_CODES } from 'node:http';
import { WasmletError } from '../../base/errors.ts';
import type { Reply } from './transport.ts';

/** A registry's or token realm's answer that is not what was hoped for; `status` decides what may be tried next. */
export class RegistryStatusError extends WasmletError {
  readonly status: number;

  /** @param status HTTP status @param message names request and status */
  constructor(status: number, message: string) {
    super(status >= 500 || status === 429 ? 'RegistryUnavailable' : 'ErrImagePull', message);
    this.status = status;
  }

  /** Whether other credentials could get another answer. */
  get mayDependOnCredentials(): boolean {
    return this.status === 401 || this.status === 403 || this.status === 404;
  }
}

/** Address of a request for messages: no query (it may hold a signature), no user info. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** The error for an unexpected status, with containerd's words and what the server said, where it said it in JSON. */
export function unexpectedStatus(method: string, reply: Reply, body: Buffer): RegistryStatusError {
  const line = `${reply.status} ${STATUS_CODES[reply.status] ?? ''}`.trim();
  const said = serverMessage(body);
  return new RegistryStatusError(
    reply.status,
    `unexpected status from ${method} request to ${shown(reply.url)}: ${line}${said === '' ? '' : `: server message: ${said}`}`,
  );
}

/** The errors of a distribution-spec error body, for people: short, on one line, without control characters. */
function serverMessage(body: Buffer): string {
  let parsed: { errors?: unknown } | null;
  try {
    parsed = JSON.parse(body.toString('utf8')) as { errors?: unknown } | null;
  } catch {
    return '';
  }
  const errors: readonly unknown[] = Array.isArray(parsed?.errors) ? parsed.errors : [];
  return errors
    .map((error) => {
      const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
      return [code, message].filter((part) => typeof part === 'string').join(': ');
    })
    .filter((text) => text !== '')
    .join('; ')
    .replace(/[^\x20-\x7e]+/g, ' ')
    .slice(0, 300);
}

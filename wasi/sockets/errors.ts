import { errnoOf } from '../../base/errors.ts';

const CODES = [
  'EACCES',
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EAGAIN',
  'EALREADY',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EDESTADDRREQ',
  'EHOSTUNREACH',
  'EINPROGRESS',
  'EINVAL',
  'EIO',
  'EISCONN',
  'EMFILE',
  'EMSGSIZE',
  'ENETDOWN',
  'ENETUNREACH',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'ENOPROTOOPT',
  'ENOTCONN',
  'ENOTSUP',
  'EPERM',
  'EPIPE',
  'EPROTONOSUPPORT',
  'ETIMEDOUT',
] as const;

/** What can be wrong with a socket, in POSIX's words; all of them are in WASI's `errno`. */
export type SocketErrorCode = (typeof CODES)[number];

const known = new Set<string>(CODES);

/** A call on a socket that failed: it becomes the guest's errno. It has the shape of Node's system errors. */
export class SocketError extends Error {
  readonly code: SocketErrorCode;

  constructor(code: SocketErrorCode, options?: { cause?: unknown }) {
    super(code, options);
    this.name = 'SocketError';
    this.code = code;
  }
}

/** What Node says of a socket, as something that has an errno: its own errors (ERR_…) have none. */
export function socketError(error: unknown): SocketError {
  if (error instanceof SocketError) return error;
  const code = errnoOf(error) ?? '';
  return new SocketError(known.has(code) ? (code as SocketErrorCode) : 'EIO', { cause: error });
}

import { errnoOf, messageOf, type ErrorCode } from '../../base/errors.ts';

/**
 * Errors in the words of Go's standard library and of gRPC: they stand in events and statuses, where people and tools
 * know them from the kubelet.
 */

/** Go's texts of system errors (syscall.Errno). */
const ERRNO: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  EPIPE: 'broken pipe',
  EADDRNOTAVAIL: 'cannot assign requested address',
};

/** host:port, an IPv6 address in brackets (net.JoinHostPort). */
export const joinHostPort = (host: string, port: number): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

/** A first error among those of a name with several addresses. */
const firstOf = (error: unknown): unknown =>
  error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;

/** Why a connection could not be made, as net.Dialer tells it; undefined for what happens later. */
export function dialError(thrown: unknown, address: string): string | undefined {
  const error = firstOf(thrown);
  const code = errnoOf(error);
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `dial tcp: lookup ${address.replace(/:\d+$/, '')}: no such host`;
  }
  const isConnect = error instanceof Error && 'syscall' in error && error.syscall === 'connect';
  if (!isConnect || code === undefined) return undefined;
  return `dial tcp ${address}: connect: ${ERRNO[code] ?? messageOf(error)}`;
}

const TLS_TO_PLAIN_SERVER = ['EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'];

/** Whether a TLS client met a server that answers in plain HTTP. */
export const isPlainServer = (error: unknown): boolean => TLS_TO_PLAIN_SERVER.includes(errnoOf(firstOf(error)) ?? '');

/** Why an HTTP request failed, as http.Client tells it, after the method and the URL. */
export function httpError(error: unknown, address: string): string {
  const dial = dialError(error, address);
  if (dial !== undefined) return dial;
  if (isPlainServer(error)) return 'http: server gave HTTP response to HTTPS client';
  const code = errnoOf(error);
  if (code === 'UND_ERR_SOCKET') return 'EOF';
  return code !== undefined && code in ERRNO ? `read tcp ${address}: read: ${ERRNO[code]}` : messageOf(error);
}

/** The codes of gRPC by their numbers (google.golang.org/grpc/codes). */
export const GRPC_CODES = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;

/** A status as gRPC for Go prints it. */
export const grpcStatusText = (code: string, message: string): string => `rpc error: code = ${code} desc = ${message}`;

/** An error of the runtime as a kubelet sees it over CRI: a fault without a kind of its own is Unknown there. */
export function runtimeErrorText(code: ErrorCode, message: string): string {
  const name = code === 'Cancelled' ? 'Canceled' : code;
  const known = name !== 'Internal' && (GRPC_CODES as readonly string[]).includes(name);
  return grpcStatusText(known ? name : 'Unknown', message);
}

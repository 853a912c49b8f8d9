import { errnoOf } from '../../base/errors.ts';

/** WASI Preview 1, `errno`: the numbers in the order of the specification. */
const NAMES =
  'SUCCESS 2BIG ACCES ADDRINUSE ADDRNOTAVAIL AFNOSUPPORT AGAIN ALREADY BADF BADMSG BUSY CANCELED CHILD CONNABORTED ' +
  'CONNREFUSED CONNRESET DEADLK DESTADDRREQ DOM DQUOT EXIST FAULT FBIG HOSTUNREACH IDRM ILSEQ INPROGRESS INTR INVAL ' +
  'IO ISCONN ISDIR LOOP MFILE MLINK MSGSIZE MULTIHOP NAMETOOLONG NETDOWN NETRESET NETUNREACH NFILE NOBUFS NODEV ' +
  'NOENT NOEXEC NOLCK NOLINK NOMEM NOMSG NOPROTOOPT NOSPC NOSYS NOTCONN NOTDIR NOTEMPTY NOTRECOVERABLE NOTSOCK ' +
  'NOTSUP NOTTY NXIO OVERFLOW OWNERDEAD PERM PIPE PROTO PROTONOSUPPORT PROTOTYPE RANGE ROFS SPIPE SRCH STALE ' +
  'TIMEDOUT TXTBSY XDEV NOTCAPABLE';

const ERRNO: ReadonlyMap<string, number> = new Map([
  ...NAMES.split(' ').map((name, number) => [`E${name}`, number] as const),
  ['EOPNOTSUPP', 58] as const,
  ['EWOULDBLOCK', 6] as const,
]);

export const SUCCESS = 0;

/**
 * The errno for what a call threw: PosixError, or a system error of Node.
 * @throws the error itself when it is neither: an exit, or a fault of ours, which the guest must not swallow
 */
export function errnoFor(error: unknown): number {
  const errno = ERRNO.get(errnoOf(error) ?? '');
  if (errno === undefined) throw error;
  return errno;
}

/** The number of an errno by its POSIX name, for tests and events. */
export function errnoNumber(name: string): number {
  const errno = ERRNO.get(name);
  if (errno === undefined) throw new RangeError(`Preview 1 has no ${name}`);
  return errno;
}

/** The POSIX errors that our own code raises; the file system of the host raises any, as Node's system errors. */
export type PosixCode =
  | 'E2BIG'
  | 'EACCES'
  | 'EAGAIN'
  | 'EBADF'
  | 'EBUSY'
  | 'ECHILD'
  | 'EEXIST'
  | 'EFAULT'
  | 'EFBIG'
  | 'EILSEQ'
  | 'EINTR'
  | 'EINVAL'
  | 'EISDIR'
  | 'ELOOP'
  | 'EMFILE'
  | 'ENAMETOOLONG'
  | 'ENOENT'
  | 'ENOEXEC'
  | 'ENOSPC'
  | 'ENOTCAPABLE'
  | 'ENOTDIR'
  | 'ENOTEMPTY'
  | 'ENOTSOCK'
  | 'ENOTSUP'
  | 'EPERM'
  | 'EPIPE'
  | 'EROFS'
  | 'ESPIPE'
  | 'ESRCH'
  | 'EXDEV';

/**
 * A call that failed in the way POSIX names: it becomes the guest's errno and never leaves wasi/. It has the shape of
 * Node's system errors (`code`), so that one table translates both.
 */
export class PosixError extends Error {
  readonly code: PosixCode;

  constructor(code: PosixCode) {
    super(code);
    this.name = 'PosixError';
    this.code = code;
  }
}

import { PosixError } from '../core/posix-error.ts';
import { plain, type Preview1Functions } from './function.ts';
import type { Preview1State } from './state.ts';

/**
 * WASI Preview 1, `sock_accept`, `sock_recv`, `sock_send`, `sock_shutdown`. A guest has no sockets in this release, so
 * every descriptor is either none (EBADF) or none of these (ENOTSOCK).
 */
export function socketFunctions({ descriptors }: Preview1State): Preview1Functions {
  const noSocket = plain((fd: number) => {
    descriptors.get(fd);
    throw new PosixError('ENOTSOCK');
  });
  return { sock_accept: noSocket, sock_recv: noSocket, sock_send: noSocket, sock_shutdown: noSocket };
}

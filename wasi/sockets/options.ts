/** What setsockopt has set. Sizes are those of the kernel's buffers and of ours: they are told, not followed. */
export class SocketOptions {
  reuseAddress = false;
  broadcast = false;
  keepAlive = false;
  receiveBuffer = RECEIVE_BUFFER;
  sendBuffer = SEND_BUFFER;
  /** Seconds; undefined: what is left is sent in the background, without limit of time. */
  linger: number | undefined;
  /** Nanoseconds; 0n: none. */
  receiveTimeout = 0n;
  sendTimeout = 0n;
}

/** Bytes that a socket holds for a guest that does not read them; beyond, the peer has to wait (or the datagram is lost). */
export const RECEIVE_BUFFER = 128 * 1024;
/** Bytes that a socket holds for a peer that does not take them; beyond, the guest has to wait. */
export const SEND_BUFFER = 128 * 1024;

import type { WasiNetwork, WasiNetworkPolicy } from '../wasi.ts';
import { parseAddress } from '../sockets/address.ts';
import { TestGuest, type TestGuestOptions } from '../preview1/test-guest.ts';

/** For tests: where a SocketGuest lays things in the memory of a TestGuest, beside what that uses. */
export const AT = {
  FD: 512,
  ADDRESS: 600,
  BYTES: 616,
  PORT: 760,
  TYPE: 764,
  LENGTH: 768,
  FLAGS: 772,
  VALUE: 800,
} as const;
const TAGGED = 128;

export const LOOPBACK_POLICY: WasiNetworkPolicy = { allowLoopback: true, allow: [], deny: [], ownPorts: [] };

export const loopbackNetwork = (parts: Partial<WasiNetwork> = {}): WasiNetwork => ({
  bindAddresses: ['127.0.0.1'],
  listeners: [],
  policy: LOOPBACK_POLICY,
  ...parts,
});

/** For tests: a guest that calls WasmEdge's functions. */
export class SocketGuest extends TestGuest {
  constructor(options: TestGuestOptions) {
    super({ network: loopbackNetwork(), ...options });
  }

  /** @returns the descriptor, or an errno */
  socket(family = 1, type = 2): number {
    const result = this.call('sock_open', family, type, AT.FD);
    if (result !== 'ok') throw new Error(`sock_open: ${result}`);
    return this.u32(AT.FD);
  }

  /** Lays out an address: alone, or behind its family in 128 bytes. */
  address(text: string, tagged = false): number {
    const ip = parseAddress(text);
    if (ip === undefined) throw new Error(`no address: ${text}`);
    this.memory.setUint32(AT.ADDRESS, AT.BYTES, true);
    this.memory.setUint32(AT.ADDRESS + 4, tagged ? TAGGED : ip.length, true);
    this.memory.setUint16(AT.BYTES, ip.length === 4 ? 1 : 2, true);
    this.bytes.set(ip, tagged ? AT.BYTES + 2 : AT.BYTES);
    return AT.ADDRESS;
  }

  /** A buffer for an address. */
  buffer(size = 16): number {
    this.memory.setUint32(AT.ADDRESS, AT.BYTES, true);
    this.memory.setUint32(AT.ADDRESS + 4, size, true);
    this.bytes.fill(0, AT.BYTES, AT.BYTES + TAGGED);
    return AT.ADDRESS;
  }

  /** A socket that listens on a free port. */
  async listen(address = '127.0.0.1', family = 1): Promise<{ fd: number; port: number }> {
    const fd = this.socket(family);
    const bound = await this.wait('sock_bind', fd, this.address(address), 0);
    if (bound !== 'ok') throw new Error(`sock_bind: ${bound}`);
    const listens = this.call('sock_listen', fd, 16);
    if (listens !== 'ok') throw new Error(`sock_listen: ${listens}`);
    return { fd, port: this.localPort(fd) };
  }

  localPort(fd: number): number {
    const result = this.call('sock_getlocaladdr', fd, this.buffer(), AT.TYPE, AT.PORT);
    if (result !== 'ok') throw new Error(`sock_getlocaladdr: ${result}`);
    return this.u32(AT.PORT);
  }

  async accept(fd: number): Promise<number> {
    const result = await this.wait('sock_accept', fd, AT.FD);
    if (result !== 'ok') throw new Error(`sock_accept: ${result}`);
    return this.u32(AT.FD);
  }

  async connect(port: number, address = '127.0.0.1', family = 1): Promise<number> {
    const fd = this.socket(family);
    const result = await this.wait('sock_connect', fd, this.address(address), port);
    if (result !== 'ok') throw new Error(`sock_connect: ${result}`);
    return fd;
  }

  /** Text that has come, '' at the end, or an errno. */
  async receive(fd: number, length = 4096, flags = 0): Promise<string> {
    const result = await this.wait('sock_recv', fd, ...this.iovec(16_384, length), flags, AT.LENGTH, AT.FLAGS);
    return result === 'ok' ? this.text(this.u32(AT.LENGTH)) : result;
  }

  async send(fd: number, text: string): Promise<string> {
    const [pointer, length] = this.put(text, 16_384);
    return await this.wait('sock_send', fd, ...this.iovec(pointer, length), 0, AT.LENGTH);
  }

  option(fd: number, name: number): number | string {
    const result = this.call('sock_getsockopt', fd, 0, name, AT.VALUE, 4);
    return result === 'ok' ? this.u32(AT.VALUE) : result;
  }

  setOption(fd: number, name: number, value: number): string {
    this.memory.setUint32(AT.VALUE, value, true);
    return this.call('sock_setsockopt', fd, 0, name, AT.VALUE, 4);
  }

  nonblocking(fd: number): void {
    this.call('fd_fdstat_set_flags', fd, 4);
  }

  /**
   * Polls for reading or writing, with a time limit.
   * @returns what happened: 'read', 'write', 'clock', or an errno's number
   */
  async poll(fd: number, what: 'read' | 'write', milliseconds = 5000): Promise<PollEvent> {
    const SUBSCRIPTIONS = 24_576;
    const EVENTS = 28_672;
    this.bytes.fill(0, SUBSCRIPTIONS, SUBSCRIPTIONS + 96);
    this.memory.setUint8(SUBSCRIPTIONS + 8, what === 'read' ? 1 : 2);
    this.memory.setUint32(SUBSCRIPTIONS + 16, fd, true);
    this.memory.setUint32(SUBSCRIPTIONS + 48 + 16, 1, true);
    this.memory.setBigUint64(SUBSCRIPTIONS + 48 + 24, BigInt(milliseconds) * 1_000_000n, true);
    const result = await this.wait('poll_oneoff', SUBSCRIPTIONS, EVENTS, 2, 480);
    if (result !== 'ok') throw new Error(`poll_oneoff: ${result}`);
    const type = (['clock', 'read', 'write'] as const)[this.bytes[EVENTS + 10] ?? 0] ?? 'clock';
    return {
      type,
      error: this.memory.getUint16(EVENTS + 8, true),
      bytes: Number(this.u64(EVENTS + 16)),
      hangup: this.memory.getUint16(EVENTS + 24, true) === 1,
    };
  }
}

export interface PollEvent {
  readonly type: 'clock' | 'read' | 'write';
  readonly error: number;
  readonly bytes: number;
  readonly hangup: boolean;
}

import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MAX_DESCRIPTORS } from '../core/descriptor-table.ts';
import { errnoNumber } from '../preview1/errno.ts';
import { Sandbox, TestGuest } from '../preview1/test-guest.ts';
import { SEND_BUFFER } from '../sockets/options.ts';
import { SO } from './options.ts';
import { AT, loopbackNetwork, SocketGuest } from './test-sockets.ts';

const BAD_POINTER = 65_534;

let sandbox: Sandbox;
let guest: SocketGuest;

beforeEach(() => {
  sandbox = new Sandbox();
  guest = new SocketGuest({ root: sandbox.folder('root') });
});

afterEach(async () => {
  guest[Symbol.dispose]();
  await guest.wasi.flush(1000);
  sandbox[Symbol.dispose]();
});

/** A server outside of the guest, and what connects to it. */
async function outside(onConnection: (socket: Socket) => void): Promise<AsyncDisposable & { port: number }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on('error', () => undefined));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

test('both versions of the extension are there beside the functions of Preview 1', () => {
  const names = Object.keys(guest.wasi.imports.wasi_snapshot_preview1);
  const extension =
    'open bind listen connect recv_from send_to getlocaladdr getpeeraddr getsockopt setsockopt getaddrinfo';
  for (const name of `${extension} accept recv send shutdown`.split(' ')) {
    expect(names).toContain(`sock_${name}`);
    expect(names).toContain(`sock_${name}_v2`);
  }
});

test('a guest without a network has none of the extension', () => {
  using other = new TestGuest({ root: sandbox.folder('root') });
  expect(Object.keys(other.wasi.imports.wasi_snapshot_preview1)).not.toContain('sock_open');
  expect(other.call('sock_shutdown', 3, 1)).toBe('ENOTSOCK');
});

describe('a server', () => {
  test('accepts, receives, sends and sees the end', async () => {
    const { fd, port } = await guest.listen();
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const received = text(client);
    client.end('ping');
    const connection = await guest.accept(fd);
    expect(await guest.receive(connection)).toBe('ping');
    expect(await guest.receive(connection)).toBe('');
    expect(await guest.send(connection, 'pong')).toBe('ok');
    expect(guest.call('fd_close', connection)).toBe('ok');
    expect(await received).toBe('pong');
  });

  test('knows its own address and that of the peer, in both forms', async () => {
    const { fd, port } = await guest.listen();
    const client = connect(port, '127.0.0.1');
    await once(client, 'connect');
    const connection = await guest.accept(fd);
    expect(guest.call('sock_getpeeraddr', connection, guest.buffer(), AT.TYPE, AT.PORT)).toBe('ok');
    expect([...guest.bytes.subarray(AT.BYTES, AT.BYTES + 4)]).toEqual([127, 0, 0, 1]);
    expect([guest.u32(AT.TYPE), guest.u32(AT.PORT)]).toEqual([4, client.localPort]);
    expect(guest.call('sock_getlocaladdr', connection, guest.buffer(128), AT.PORT)).toBe('ok');
    expect([...guest.bytes.subarray(AT.BYTES, AT.BYTES + 6)]).toEqual([1, 0, 127, 0, 0, 1]);
    expect(guest.u32(AT.PORT)).toBe(port);
    client.destroy();
  });

  test('takes accept with flags, as Preview 1 has it, and makes a non-blocking connection', async () => {
    const { fd, port } = await guest.listen();
    const client = connect(port, '127.0.0.1');
    expect(await guest.wait('sock_accept', fd, 4, AT.FD)).toBe('ok');
    expect(await guest.receive(guest.u32(AT.FD))).toBe('EAGAIN');
    expect(await guest.wait('sock_accept', fd, 1, AT.FD)).toBe('EINVAL');
    client.destroy();
  });

  test('has any address mean the pod its own', async () => {
    const { fd } = await guest.listen('0.0.0.0');
    guest.call('sock_getlocaladdr', fd, guest.buffer(), AT.TYPE, AT.PORT);
    expect([...guest.bytes.subarray(AT.BYTES, AT.BYTES + 4)]).toEqual([127, 0, 0, 1]);
  });

  test('has any address of IPv6 mean those of IPv4 too', async () => {
    const { fd, port } = await guest.listen('::', 2);
    const client = connect(port, '127.0.0.1');
    const connection = await guest.accept(fd);
    expect(guest.call('sock_getpeeraddr', connection, guest.buffer(), AT.TYPE, AT.PORT)).toBe('ok');
    expect(guest.u32(AT.TYPE)).toBe(6);
    expect([...guest.bytes.subarray(AT.BYTES + 10, AT.BYTES + 16)]).toEqual([0xff, 0xff, 127, 0, 0, 1]);
    client.destroy();
  });

  test('is told EADDRINUSE of a port that is taken, and so is the log', async () => {
    const lines: string[] = [];
    using other = new SocketGuest({
      root: sandbox.folder('root'),
      network: loopbackNetwork({ report: (line) => void lines.push(line) }),
    });
    const { port } = await guest.listen();
    expect(await other.wait('sock_bind', other.socket(), other.address('0.0.0.0'), port)).toBe('EADDRINUSE');
    expect(lines).toEqual([expect.stringContaining(`port ${port} cannot be opened on 127.0.0.1`)]);
  });

  test('cannot bind to an address that is not the pod its own', async () => {
    expect(await guest.wait('sock_bind', guest.socket(), guest.address('198.51.100.1'), 0)).toBe('EADDRNOTAVAIL');
  });

  test('is bound once, and listens before it accepts', async () => {
    const fd = guest.socket();
    expect(await guest.wait('sock_accept', fd, AT.FD)).toBe('EINVAL');
    expect(await guest.wait('sock_bind', fd, guest.address('127.0.0.1'), 0)).toBe('ok');
    expect(await guest.wait('sock_bind', fd, guest.address('127.0.0.1'), 0)).toBe('EINVAL');
    expect(guest.option(fd, SO.ACCEPTCONN)).toBe(0);
    expect(guest.call('sock_listen', fd, 1)).toBe('ok');
    expect(guest.option(fd, SO.ACCEPTCONN)).toBe(1);
  });

  test('gives its port back when it is closed', async () => {
    const { fd, port } = await guest.listen();
    expect(guest.call('fd_close', fd)).toBe('ok');
    expect(await guest.wait('sock_bind', guest.socket(), guest.address('127.0.0.1'), port)).toBe('ok');
  });

  test('without room for a descriptor leaves the connection in the queue', async () => {
    const { fd, port } = await guest.listen();
    const client = connect(port, '127.0.0.1');
    await once(client, 'connect');
    const opened: number[] = [];
    for (let made = fd; made < MAX_DESCRIPTORS - 1; made = guest.socket()) opened.push(made);
    const last = guest.u32(AT.FD);
    expect(guest.call('sock_open', 1, 2, AT.FD)).toBe('EMFILE');
    expect(await guest.wait('sock_accept', fd, AT.FD)).toBe('EMFILE');
    guest.call('fd_close', last);
    expect(await guest.wait('sock_accept', fd, AT.FD)).toBe('ok');
    client.destroy();
  });
});

describe('a client', () => {
  test('connects, also with an address of 128 bytes, and over fd_read and fd_write', async () => {
    await using server = await outside((socket) => void socket.end('hello'));
    const fd = guest.socket();
    expect(await guest.wait('sock_connect', fd, guest.address('127.0.0.1', true), server.port)).toBe('ok');
    const [pointer, length] = guest.put('x', 16_384);
    expect(await guest.wait('fd_write', fd, ...guest.iovec(pointer, length), 512)).toBe('ok');
    expect(await guest.wait('fd_read', fd, ...guest.iovec(16_384, 100), 512)).toBe('ok');
    expect(guest.text(guest.u32())).toBe('hello');
  });

  test('is told who refuses', async () => {
    const { fd, port } = await guest.listen();
    guest.call('fd_close', fd);
    expect(await guest.wait('sock_connect', guest.socket(), guest.address('127.0.0.1'), port)).toBe('ECONNREFUSED');
  });

  test('that does not block is in progress, then writable, then asks for the error', async () => {
    await using server = await outside(() => undefined);
    const fd = guest.socket();
    guest.nonblocking(fd);
    expect(await guest.wait('sock_connect', fd, guest.address('127.0.0.1'), server.port)).toBe('EINPROGRESS');
    expect(await guest.poll(fd, 'write')).toMatchObject({ type: 'write', error: 0 });
    expect(guest.option(fd, SO.ERROR)).toBe(0);
    expect(await guest.wait('sock_connect', fd, guest.address('127.0.0.1'), server.port)).toBe('EISCONN');
  });

  test('that does not block finds a refusal in SO_ERROR, once', async () => {
    const { fd: closed, port } = await guest.listen();
    guest.call('fd_close', closed);
    const fd = guest.socket();
    guest.nonblocking(fd);
    expect(await guest.wait('sock_connect', fd, guest.address('127.0.0.1'), port)).toBe('EINPROGRESS');
    expect(await guest.poll(fd, 'write')).toMatchObject({ type: 'write' });
    expect(guest.option(fd, SO.ERROR)).toBe(errnoNumber('ECONNREFUSED'));
    expect(guest.option(fd, SO.ERROR)).toBe(0);
  });

  test('that is bound connects from there', async () => {
    const ports: (number | undefined)[] = [];
    await using server = await outside((socket) => void ports.push(socket.remotePort));
    const fd = guest.socket();
    await guest.wait('sock_bind', fd, guest.address('127.0.0.1'), 0);
    const port = guest.localPort(fd);
    expect(await guest.wait('sock_connect', fd, guest.address('127.0.0.1'), server.port)).toBe('ok');
    expect(await guest.send(fd, 'x')).toBe('ok');
    await expect.poll(() => ports).toEqual([port]);
  });

  test('of IPv6 reaches IPv4 by a mapped address, bound or not', async () => {
    await using server = await outside(() => undefined);
    const bound = guest.socket(2);
    expect(await guest.wait('sock_bind', bound, guest.address('::'), 0)).toBe('ok');
    for (const fd of [bound, guest.socket(2)]) {
      expect(await guest.wait('sock_connect', fd, guest.address('::ffff:127.0.0.1'), server.port)).toBe('ok');
    }
  });

  test('gets ECONNRESET of a peer that resets, then the end and EPIPE', async () => {
    await using server = await outside((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const fd = await guest.connect(server.port);
    await guest.send(fd, 'x');
    expect(await guest.receive(fd)).toBe('ECONNRESET');
    expect(await guest.receive(fd)).toBe('');
    expect(await guest.send(fd, 'x')).toBe('EPIPE');
  });

  test('sees hangup in a poll when the peer has ended', async () => {
    await using server = await outside((socket) => void socket.end());
    const fd = await guest.connect(server.port);
    expect(await guest.poll(fd, 'read')).toEqual({ type: 'read', error: 0, bytes: 0, hangup: true });
  });

  test('counts what can be read, and peeks at it', async () => {
    await using server = await outside((socket) => void socket.write('four'));
    const fd = await guest.connect(server.port);
    expect(await guest.poll(fd, 'read')).toMatchObject({ type: 'read', bytes: 4, hangup: false });
    expect(await guest.receive(fd, 2, 1)).toBe('fo');
    expect(await guest.receive(fd, 3)).toBe('fou');
    expect(await guest.receive(fd, 3)).toBe('r');
  });

  test('waits for all of its buffer when it asks so, unless the stream ends', async () => {
    await using server = await outside((socket) => {
      socket.setNoDelay(true);
      socket.write('abc', () => setImmediate(() => socket.end('defgh')));
    });
    const fd = await guest.connect(server.port);
    expect(await guest.receive(fd, 6, 2)).toBe('abcdef');
    expect(await guest.receive(fd, 6, 2)).toBe('gh');
  });

  test('gives up waiting after SO_RCVTIMEO', async () => {
    await using server = await outside(() => undefined);
    const fd = await guest.connect(server.port);
    guest.memory.setBigUint64(AT.VALUE, 0n, true);
    guest.memory.setBigUint64(AT.VALUE + 8, 30_000n, true);
    expect(guest.call('sock_setsockopt', fd, 0, SO.RCVTIMEO, AT.VALUE, 16)).toBe('ok');
    expect(await guest.receive(fd)).toBe('EAGAIN');
    guest.memory.setUint32(AT.LENGTH, 16, true);
    expect(guest.call('sock_getsockopt', fd, 0, SO.RCVTIMEO, AT.VALUE, AT.LENGTH)).toBe('ok');
    expect(guest.u64(AT.VALUE + 8)).toBe(30_000n);
  });

  test('that has shut its sending side down gets EPIPE and can still receive', async () => {
    await using server = await outside((socket) => socket.once('end', () => socket.end('bye')).resume());
    const fd = await guest.connect(server.port);
    expect(guest.call('sock_shutdown', fd, 2)).toBe('ok');
    expect(await guest.send(fd, 'x')).toBe('EPIPE');
    expect(await guest.receive(fd)).toBe('bye');
  });

  test('that has shut its receiving side down is at the end', async () => {
    await using server = await outside((socket) => void socket.write('unread'));
    const fd = await guest.connect(server.port);
    await guest.poll(fd, 'read');
    expect(guest.call('sock_shutdown', fd, 1)).toBe('ok');
    expect(await guest.receive(fd)).toBe('');
    expect(guest.call('sock_shutdown', fd, 0)).toBe('EINVAL');
    expect(guest.call('sock_shutdown', fd, 4)).toBe('EINVAL');
  });

  test('that closes without having read resets the connection, as a kernel does', async () => {
    const ended = Promise.withResolvers<unknown>();
    await using server = await outside((socket) => {
      socket.on('error', ended.resolve).write('unread');
    });
    const fd = await guest.connect(server.port);
    await guest.poll(fd, 'read');
    guest.call('fd_close', fd);
    expect(await ended.promise).toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('neither side can make the host grow', () => {
  test('what the peer does not take stops a guest that does not block, and then goes on', async () => {
    const accepted = Promise.withResolvers<Socket>();
    await using server = await outside((socket) => accepted.resolve(socket.pause()));
    const fd = await guest.connect(server.port);
    guest.nonblocking(fd);
    const chunk = 'x'.repeat(40_000);
    let sent = 0;
    while ((await guest.send(fd, chunk)) === 'ok') sent += guest.u32(AT.LENGTH);
    expect(await guest.poll(fd, 'write', 20)).toMatchObject({ type: 'clock' });
    const peer = await accepted.promise;
    let got = 0;
    peer.on('data', (bytes) => (got += bytes.length)).resume();
    expect(await guest.poll(fd, 'write')).toMatchObject({ type: 'write' });
    await expect.poll(() => got, { timeout: 10_000 }).toBe(sent);
    expect(sent).toBeGreaterThan(SEND_BUFFER);
  });

  test('a guest that blocks sends all of what it was told to', async () => {
    const sizes = Promise.withResolvers<number>();
    await using server = await outside((socket) => {
      let got = 0;
      socket.on('data', (bytes) => (got += bytes.length)).on('end', () => sizes.resolve(got));
    });
    const fd = await guest.connect(server.port);
    for (let round = 0; round < 100; round++) {
      expect(await guest.send(fd, 'y'.repeat(40_000))).toBe('ok');
      expect(guest.u32(AT.LENGTH)).toBe(40_000);
    }
    guest.call('fd_close', fd);
    expect(await sizes.promise).toBe(4_000_000);
  });

  test('what the guest does not read makes the peer wait', async () => {
    const { fd, port } = await guest.listen();
    const client = connect(port, '127.0.0.1');
    const connection = await guest.accept(fd);
    const block = Buffer.alloc(64 * 1024 * 1024);
    client.write(block);
    await guest.poll(connection, 'read');
    await sleep(200);
    const { bytes } = await guest.poll(connection, 'read');
    expect(bytes).toBeLessThan(512 * 1024);
    expect(client.writableLength).toBeGreaterThan(0);
    client.destroy();
  });

  test('what is sent is on its way when the guest ends', async () => {
    const received = Promise.withResolvers<number>();
    await using server = await outside((socket) => {
      let got = 0;
      socket.on('data', (bytes) => (got += bytes.length)).on('end', () => received.resolve(got));
    });
    const fd = await guest.connect(server.port);
    await guest.send(fd, 'z'.repeat(40_000));
    guest.create('open.txt');
    guest.open('open.txt');
    guest[Symbol.dispose]();
    await guest.wasi.flush(5000);
    expect(await received.promise).toBe(40_000);
    guest = new SocketGuest({ root: sandbox.folder('root') });
  });
});

describe('what is wrong is an errno', () => {
  test('of the family, the type, the level and the name', () => {
    expect(guest.call('sock_open', 3, 2, AT.FD)).toBe('EAFNOSUPPORT');
    expect(guest.call('sock_open', 1, 3, AT.FD)).toBe('EPROTONOSUPPORT');
    const fd = guest.socket();
    expect(guest.call('sock_getsockopt', fd, 1, 0, AT.VALUE, 4)).toBe('ENOPROTOOPT');
    expect(guest.option(fd, 14)).toBe('ENOPROTOOPT');
    expect(guest.setOption(fd, SO.ERROR, 1)).toBe('ENOPROTOOPT');
    expect(guest.call('sock_getsockopt', fd, 0, SO.LINGER, AT.VALUE, 4)).toBe('EINVAL');
  });

  test('of a socket that is not connected', async () => {
    const fd = guest.socket();
    expect(await guest.receive(fd)).toBe('ENOTCONN');
    expect(await guest.send(fd, 'x')).toBe('ENOTCONN');
    expect(guest.call('sock_shutdown', fd, 3)).toBe('ENOTCONN');
    expect(guest.call('sock_getpeeraddr', fd, guest.buffer(), AT.TYPE, AT.PORT)).toBe('ENOTCONN');
    expect(await guest.poll(fd, 'read')).toMatchObject({ type: 'read', hangup: true });
  });

  test('of what is no socket, and of no descriptor', async () => {
    for (const [fd, errno] of [
      [3, 'ENOTSOCK'],
      [99, 'EBADF'],
    ] as const) {
      expect(await guest.wait('sock_accept', fd, AT.FD)).toBe(errno);
      expect(await guest.receive(fd)).toBe(errno);
      expect(await guest.send(fd, 'x')).toBe(errno);
      expect(guest.call('sock_shutdown', fd, 1)).toBe(errno);
      expect(guest.call('sock_listen', fd, 1)).toBe(errno);
      expect(await guest.wait('sock_bind', fd, guest.address('127.0.0.1'), 0)).toBe(errno);
      expect(await guest.wait('sock_connect', fd, guest.address('127.0.0.1'), 1)).toBe(errno);
      expect(guest.call('sock_getlocaladdr', fd, guest.buffer(), AT.TYPE, AT.PORT)).toBe(errno);
      expect(guest.option(fd, SO.TYPE)).toBe(errno);
      expect(guest.setOption(fd, SO.REUSEADDR, 1)).toBe(errno);
    }
  });

  test('of addresses that are none', async () => {
    const fd = guest.socket();
    expect(await guest.wait('sock_connect', fd, guest.buffer(5), 80)).toBe('EINVAL');
    expect(await guest.wait('sock_connect', fd, guest.address('::1'), 80)).toBe('EAFNOSUPPORT');
    expect(await guest.wait('sock_connect', fd, guest.address('127.0.0.1'), 65_536)).toBe('EINVAL');
    expect(await guest.wait('sock_connect', fd, BAD_POINTER, 80)).toBe('EFAULT');
    guest.memory.setUint32(AT.ADDRESS, BAD_POINTER, true);
    guest.memory.setUint32(AT.ADDRESS + 4, 4, true);
    expect(await guest.wait('sock_connect', fd, AT.ADDRESS, 80)).toBe('EFAULT');
  });

  test('of pointers that leave the memory, with nothing taken from the queue', async () => {
    const { fd, port } = await guest.listen();
    const client = connect(port, '127.0.0.1');
    expect(await guest.wait('sock_accept', fd, BAD_POINTER)).toBe('EFAULT');
    const connection = await guest.accept(fd);
    client.end('data');
    await guest.poll(connection, 'read');
    expect(await guest.wait('sock_recv', connection, BAD_POINTER, 1, 0, AT.LENGTH, AT.FLAGS)).toBe('EFAULT');
    expect(await guest.wait('sock_recv', connection, ...guest.iovec(0, 4), 0, BAD_POINTER, AT.FLAGS)).toBe('EFAULT');
    expect(await guest.receive(connection)).toBe('data');
    expect(guest.call('sock_open', 1, 2, BAD_POINTER)).toBe('EFAULT');
    client.destroy();
  });

  test('of flags', async () => {
    const fd = guest.socket();
    expect(await guest.wait('sock_recv', fd, ...guest.iovec(16_384, 1), 4, AT.LENGTH, AT.FLAGS)).toBe('EINVAL');
    expect(await guest.wait('sock_send', fd, ...guest.iovec(16_384, 1), 1, AT.LENGTH)).toBe('EINVAL');
  });
});

test('options are what was set', () => {
  const fd = guest.socket();
  expect(guest.option(fd, SO.TYPE)).toBe(2);
  for (const name of [SO.REUSEADDR, SO.BROADCAST, SO.KEEPALIVE]) {
    expect(guest.option(fd, name)).toBe(0);
    expect(guest.setOption(fd, name, 1)).toBe('ok');
    expect(guest.option(fd, name)).toBe(1);
  }
  expect(guest.setOption(fd, SO.RCVBUF, 65_536)).toBe('ok');
  expect(guest.option(fd, SO.RCVBUF)).toBe(65_536);
  guest.memory.setUint32(AT.VALUE, 1, true);
  guest.memory.setUint32(AT.VALUE + 4, 7, true);
  expect(guest.call('sock_setsockopt', fd, 0, SO.LINGER, AT.VALUE, 8)).toBe('ok');
  expect(guest.call('sock_getsockopt', fd, 0, SO.LINGER, AT.VALUE + 16, 8)).toBe('ok');
  expect([guest.u32(AT.VALUE + 16), guest.u32(AT.VALUE + 20)]).toEqual([1, 7]);
});

describe('declared ports', () => {
  const declared = (port: number) =>
    new SocketGuest({ root: sandbox.folder('root'), network: loopbackNetwork({ listeners: [{ name: 'web', port }] }) });

  async function freePort(): Promise<number> {
    const { fd, port } = await guest.listen();
    guest.call('fd_close', fd);
    return port;
  }

  test('come before the directory, which is found behind them', async () => {
    using server = declared(await freePort());
    expect(server.call('fd_prestat_get', 3, 512)).toBe('ok');
    expect(server.bytes[512]).not.toBe(0);
    expect(server.call('fd_prestat_get', 4, 512)).toBe('ok');
    expect([server.bytes[512], server.u32(516)]).toEqual([0, 1]);
    expect(server.call('fd_fdstat_get', 3, 512)).toBe('ok');
    expect([server.bytes[512], server.bytes[514]]).toEqual([6, 4]);
    expect(server.call('environ_sizes_get', 512, 516)).toBe('ok');
    server.call('environ_get', 1024, 2048);
    expect(server.text(server.u32(516), 2048)).toBe('LISTEN_FDS=1\0LISTEN_FDNAMES=web\0');
  });

  test('are open from the first use on, not before', async () => {
    const port = await freePort();
    using server = declared(port);
    const early = connect(port, '127.0.0.1');
    expect(await once(early, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }]);
    expect(await server.wait('sock_accept', 3, 0, 512)).toBe('EAGAIN');
    const client = connect(port, '127.0.0.1');
    expect(await server.poll(3, 'read')).toMatchObject({ type: 'read' });
    expect(await server.wait('sock_accept', 3, 0, 512)).toBe('ok');
    client.destroy();
  });

  test('are open once they are polled, together with a clock', async () => {
    const port = await freePort();
    using server = declared(port);
    expect(await server.poll(3, 'read', 5)).toMatchObject({ type: 'clock' });
    const client = connect(port, '127.0.0.1');
    expect(await server.poll(3, 'read')).toMatchObject({ type: 'read', error: 0, bytes: 1 });
    client.destroy();
  });

  test('can be opened by the guest itself instead', async () => {
    const port = await freePort();
    using server = declared(port);
    const fd = server.socket();
    expect(await server.wait('sock_bind', fd, server.address('0.0.0.0'), port)).toBe('ok');
    expect(server.call('sock_listen', fd, 5)).toBe('ok');
    expect(await server.poll(3, 'read')).toMatchObject({ error: errnoNumber('EADDRINUSE') });
  });
});

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Sandbox } from '../preview1/test-guest.ts';
import { SO } from './options.ts';
import { AT, SocketGuest } from './test-sockets.ts';

const DATAGRAM = 1;

let sandbox: Sandbox;
let guest: SocketGuest;
let outside: Socket;
let port: number;

beforeEach(async () => {
  sandbox = new Sandbox();
  guest = new SocketGuest({ root: sandbox.folder('root') });
  outside = createSocket('udp4').bind(0, '127.0.0.1');
  await once(outside, 'listening');
  ({ port } = outside.address());
});

afterEach(() => {
  outside.close();
  guest[Symbol.dispose]();
  sandbox[Symbol.dispose]();
});

async function sendTo(fd: number, text: string, to = port, address = '127.0.0.1'): Promise<string> {
  const [pointer, length] = guest.put(text, 16_384);
  return await guest.wait(
    'sock_send_to',
    fd,
    ...guest.iovec(pointer, length),
    guest.address(address),
    to,
    0,
    AT.LENGTH,
  );
}

async function receiveFrom(fd: number, length = 4096): Promise<string> {
  const iovec = guest.iovec(16_384, length);
  const result = await guest.wait('sock_recv_from', fd, ...iovec, guest.buffer(128), 0, AT.PORT, AT.LENGTH, AT.FLAGS);
  return result === 'ok' ? guest.text(guest.u32(AT.LENGTH)) : result;
}

async function boundSocket(): Promise<{ fd: number; own: number }> {
  const fd = guest.socket(1, DATAGRAM);
  expect(await guest.wait('sock_bind', fd, guest.address('0.0.0.0'), 0)).toBe('ok');
  return { fd, own: guest.localPort(fd) };
}

test('datagrams go out and come in, with who sent them', async () => {
  const fd = guest.socket(1, DATAGRAM);
  outside.once('message', (message, { port: from }) => outside.send(`${message.toString()}!`, from, '127.0.0.1'));
  expect(await sendTo(fd, 'hello')).toBe('ok');
  expect(await receiveFrom(fd)).toBe('hello!');
  expect([...guest.bytes.subarray(AT.BYTES, AT.BYTES + 6)]).toEqual([1, 0, 127, 0, 0, 1]);
  expect(guest.u32(AT.PORT)).toBe(port);
});

test('the first form of sock_recv_from has no port', async () => {
  const { fd, own } = await boundSocket();
  outside.send('x', own, '127.0.0.1');
  const iovec = guest.iovec(16_384, 10);
  expect(await guest.wait('sock_recv_from', fd, ...iovec, guest.buffer(16), 0, AT.LENGTH, AT.FLAGS)).toBe('ok');
  expect([guest.u32(AT.LENGTH), ...guest.bytes.subarray(AT.BYTES, AT.BYTES + 4)]).toEqual([1, 127, 0, 0, 1]);
});

test('a datagram stays whole: what has no room is cut off and said so, an empty one is one too', async () => {
  const { fd, own } = await boundSocket();
  outside.send('first', own, '127.0.0.1');
  outside.send('', own, '127.0.0.1');
  outside.send('third', own, '127.0.0.1');
  expect(await receiveFrom(fd, 2)).toBe('fi');
  expect(guest.memory.getUint16(AT.FLAGS, true)).toBe(1);
  expect(await receiveFrom(fd)).toBe('');
  expect(await receiveFrom(fd)).toBe('third');
  expect(guest.memory.getUint16(AT.FLAGS, true)).toBe(0);
});

test('one that is connected sends to its peer alone', async () => {
  const fd = guest.socket(1, DATAGRAM);
  expect(await guest.send(fd, 'x')).toBe('EDESTADDRREQ');
  expect(await guest.wait('sock_connect', fd, guest.address('127.0.0.1'), port)).toBe('ok');
  const message = once(outside, 'message');
  expect(await guest.send(fd, 'to the peer')).toBe('ok');
  expect(String((await message)[0])).toBe('to the peer');
  expect(await sendTo(fd, 'x')).toBe('EISCONN');
  expect(guest.call('sock_getpeeraddr', fd, guest.buffer(), AT.TYPE, AT.PORT)).toBe('ok');
  expect(guest.u32(AT.PORT)).toBe(port);
});

test('one that does not block is EAGAIN until a poll says that there is something', async () => {
  const { fd, own } = await boundSocket();
  guest.nonblocking(fd);
  expect(await receiveFrom(fd)).toBe('EAGAIN');
  outside.send('later', own, '127.0.0.1');
  expect(await guest.poll(fd, 'read')).toMatchObject({ type: 'read', bytes: 5 });
  expect(await receiveFrom(fd)).toBe('later');
});

test('what is wrong is an errno', async () => {
  const fd = guest.socket(1, DATAGRAM);
  expect(guest.option(fd, SO.TYPE)).toBe(DATAGRAM);
  expect(guest.call('sock_listen', fd, 1)).toBe('ENOTSUP');
  expect(await guest.wait('sock_accept', fd, AT.FD)).toBe('ENOTSUP');
  expect(await sendTo(fd, 'x', port, '255.255.255.255')).toBe('EACCES');
  expect(await sendTo(fd, 'x', 0)).toBe('EINVAL');
  expect(await sendTo(fd, 'x', port, '::1')).toBe('EAFNOSUPPORT');
  guest.memory.setUint32(256, 0, true);
  const other = guest.socket(1, DATAGRAM);
  expect(await guest.wait('sock_bind', other, guest.address('127.0.0.1'), port)).toBe('EADDRINUSE');
  expect(await guest.wait('sock_bind', other, guest.address('127.0.0.1'), 0)).toBe('ok');
  expect(guest.call('fd_fdstat_get', fd, 512)).toBe('ok');
  expect(guest.bytes[512]).toBe(5);
});

test('what nobody reads is dropped, not kept without end', async () => {
  const { fd, own } = await boundSocket();
  guest.nonblocking(fd);
  for (let sent = 0; sent < 400; sent++) {
    await new Promise((done) => outside.send(Buffer.alloc(1000), own, '127.0.0.1', done));
  }
  let got = 0;
  while ((await receiveFrom(fd)).length === 1000) got++;
  expect(got).toBeGreaterThan(10);
  expect(got).toBeLessThan(132);
});

import { createConnection } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Sandbox } from '../preview1/test-guest.ts';
import { formatAddress } from '../sockets/address.ts';
import { AT, loopbackNetwork, SocketGuest } from './test-sockets.ts';

/**
 * Guests of two pods in one network namespace. What stands for the pods' addresses here are two of 127.0.0.0/8, which
 * any machine has; between such pods there is nothing to test with them (runtime/shared-network.test.ts does).
 */

let sandbox: Sandbox;
let first: SocketGuest;
let second: SocketGuest;

beforeEach(() => {
  sandbox = new Sandbox();
  const guest = (pod: number) => {
    const network = loopbackNetwork({ bindAddresses: [`127.1.0.${pod}`], loopback: `127.64.0.${pod}` });
    return new SocketGuest({ root: sandbox.folder(`root-${pod}`), network });
  };
  first = guest(1);
  second = guest(2);
});

afterEach(() => {
  first[Symbol.dispose]();
  second[Symbol.dispose]();
  sandbox[Symbol.dispose]();
});

/** Listens on this port; 0: any that is free. */
async function listen(
  guest: SocketGuest,
  address: string,
  port = 0,
  family = 1,
): Promise<{ fd: number; port: number }> {
  const fd = guest.socket(family);
  expect(await guest.wait('sock_bind', fd, guest.address(address), port)).toBe('ok');
  expect(guest.call('sock_listen', fd, 16)).toBe('ok');
  return { fd, port: guest.localPort(fd) };
}

function end(guest: SocketGuest, which: 'sock_getpeeraddr' | 'sock_getlocaladdr', fd: number): string {
  expect(guest.call(which, fd, guest.buffer(), AT.TYPE, AT.PORT)).toBe('ok');
  return formatAddress(guest.bytes.slice(AT.BYTES, AT.BYTES + (guest.u32(AT.TYPE) === 4 ? 4 : 16)));
}

/** 'open' or the error of a connection from outside. */
async function knock(address: string, port: number): Promise<string> {
  const socket = createConnection({ host: address, port });
  try {
    await once(socket, 'connect');
    return 'open';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? '';
  } finally {
    socket.destroy();
  }
}

describe('where pods share a network namespace', () => {
  test('two guests listen on the same port, and each finds itself on its loopback', async () => {
    const { fd, port } = await listen(first, '0.0.0.0');
    const other = await listen(second, '0.0.0.0', port);
    for (const [guest, listener, text] of [
      [first, fd, 'one'],
      [second, other.fd, 'two'],
    ] as const) {
      const client = await guest.connect(port);
      const accepted = await guest.accept(listener);
      expect(await guest.send(client, text)).toBe('ok');
      expect(await guest.receive(accepted)).toBe(text);
      const ends = (['sock_getpeeraddr', 'sock_getlocaladdr'] as const).map((which) => end(guest, which, accepted));
      expect(ends).toEqual(['127.0.0.1', '127.0.0.1']);
    }
  });

  test("a listener of any address is on the pod's address and its loopback, one of the loopback on that alone", async () => {
    const { port } = await listen(first, '0.0.0.0');
    expect(await knock('127.1.0.1', port)).toBe('open');
    expect(await knock('127.64.0.1', port)).toBe('open');
    expect(await knock('127.0.0.1', port)).toBe('ECONNREFUSED');
    expect(await knock('127.1.0.2', port)).toBe('ECONNREFUSED');
    const own = await listen(first, '127.0.0.1');
    expect(end(first, 'sock_getlocaladdr', own.fd)).toBe('127.0.0.1');
    expect(await knock('127.64.0.1', own.port)).toBe('open');
    expect(await knock('127.1.0.1', own.port)).toBe('ECONNREFUSED');
  });

  test("a guest reaches nothing on the loopback that is not its own pod's, by whatever address", async () => {
    const { port } = await listen(second, '127.0.0.1');
    for (const address of ['127.0.0.1', '127.64.0.2', '0.0.0.0']) {
      const fd = first.socket();
      expect(await first.wait('sock_connect', fd, first.address(address), port)).toBe('ECONNREFUSED');
    }
  });

  test("another pod's address cannot be bound to", async () => {
    const fd = first.socket();
    expect(await first.wait('sock_bind', fd, first.address('10.88.0.7'), 0)).toBe('EADDRNOTAVAIL');
  });

  test("what goes out has the pod's address, also where the socket was bound to any", async () => {
    const { fd, port } = await listen(first, '127.1.0.1');
    const unbound = await first.connect(port, '127.1.0.1');
    expect(end(first, 'sock_getlocaladdr', unbound)).toBe('127.1.0.1');
    const bound = first.socket();
    expect(await first.wait('sock_bind', bound, first.address('0.0.0.0'), 0)).toBe('ok');
    expect(await first.wait('sock_connect', bound, first.address('127.1.0.1'), port)).toBe('ok');
    await first.accept(fd);
    expect(end(first, 'sock_getpeeraddr', await first.accept(fd))).toBe('127.1.0.1');
  });

  test('a pod without an address of that family has no way there', async () => {
    const fd = first.socket(2);
    expect(await first.wait('sock_connect', fd, first.address('2001:db8::1'), 80)).toBe('ENETUNREACH');
  });

  test("the loopback of IPv6 is the pod's own too", async () => {
    const { fd, port } = await listen(first, '::1', 0, 2);
    const client = await first.connect(port, '::1', 2);
    const accepted = await first.accept(fd);
    expect(end(first, 'sock_getpeeraddr', accepted)).toBe('0:0:0:0:0:0:0:1');
    expect(await first.send(client, 'six')).toBe('ok');
    expect(await first.receive(accepted)).toBe('six');
    expect(await knock('127.1.0.1', port)).toBe('ECONNREFUSED');
  });

  const DATAGRAM = 1;
  const sendTo = async (guest: SocketGuest, fd: number, text: string, address: string, port: number) => {
    const [pointer, length] = guest.put(text, 16_384);
    const target = guest.address(address);
    return await guest.wait('sock_send_to', fd, ...guest.iovec(pointer, length), target, port, 0, AT.LENGTH);
  };
  const receiveFrom = async (guest: SocketGuest, fd: number): Promise<string> => {
    const iovec = guest.iovec(16_384, 4096);
    const outs = [AT.PORT, AT.LENGTH, AT.FLAGS] as const;
    const result = await guest.wait('sock_recv_from', fd, ...iovec, guest.buffer(128), 0, ...outs);
    const from = formatAddress(guest.bytes.slice(AT.BYTES + 2, AT.BYTES + 6));
    return result === 'ok' ? `${guest.text(guest.u32(AT.LENGTH))} from ${from}` : result;
  };

  test("datagrams reach the pod's address and its loopback at one port, and answers have the right source", async () => {
    const server = first.socket(1, DATAGRAM);
    expect(await first.wait('sock_bind', server, first.address('0.0.0.0'), 0)).toBe('ok');
    const port = first.localPort(server);
    const other = second.socket(1, DATAGRAM);
    expect(await second.wait('sock_bind', other, second.address('0.0.0.0'), port)).toBe('ok');
    const client = first.socket(1, DATAGRAM);
    for (const [address, source] of [
      ['127.0.0.1', '127.0.0.1'],
      ['127.1.0.1', '127.1.0.1'],
    ] as const) {
      expect(await sendTo(first, client, 'hello', address, port)).toBe('ok');
      expect(await receiveFrom(first, server)).toBe(`hello from ${source}`);
      expect(await sendTo(first, server, 'answer', source, first.u32(AT.PORT))).toBe('ok');
      expect(await receiveFrom(first, client)).toBe(`answer from ${address}`);
    }
  });

  test('a datagram socket that is connected hears its peer alone', async () => {
    const server = first.socket(1, DATAGRAM);
    expect(await first.wait('sock_bind', server, first.address('0.0.0.0'), 0)).toBe('ok');
    const client = first.socket(1, DATAGRAM);
    expect(await first.wait('sock_bind', client, first.address('0.0.0.0'), 0)).toBe('ok');
    const clientPort = first.localPort(client);
    const port = first.localPort(server);
    expect(await first.wait('sock_connect', client, first.address('127.0.0.1'), port)).toBe('ok');
    expect(await sendTo(first, server, 'stranger', '127.1.0.1', clientPort)).toBe('ok');
    expect(await sendTo(first, server, 'peer', '127.0.0.1', clientPort)).toBe('ok');
    expect(await first.receive(client)).toBe('peer');
  });
});

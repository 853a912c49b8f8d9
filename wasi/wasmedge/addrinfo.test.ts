import { mkdirSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Sandbox } from '../preview1/test-guest.ts';
import { loopbackNetwork, SocketGuest } from './test-sockets.ts';

const HINTS = 2000;
const RESULTS = 2100;
const ENTRIES = 2200;
const COUNT = 2104;
const ENTRY_SIZE = 100;
const BAD_POINTER = 65_534;

let sandbox: Sandbox;
let guest: SocketGuest;

beforeEach(() => {
  sandbox = new Sandbox();
  mkdirSync(join(sandbox.folder('root'), 'etc'));
  guest = new SocketGuest({ root: sandbox.folder('root') });
});

afterEach(() => {
  guest[Symbol.dispose]();
  sandbox[Symbol.dispose]();
});

const write = (name: string, text: string): void => writeFileSync(join(sandbox.path, 'root/etc', name), text);

interface Wish {
  readonly family?: number;
  readonly flags?: number;
  readonly type?: number;
  readonly room?: number;
  readonly most?: number;
}

/** @returns the addresses and ports, or the errno */
async function resolve(node: string, service: string, wish: Wish = {}): Promise<string[] | string> {
  const { family = 0, flags = 0, type = 2, room = 26, most = 4 } = wish;
  const { memory } = guest;
  memory.setUint16(HINTS, flags, true);
  memory.setUint8(HINTS + 2, family);
  memory.setUint8(HINTS + 3, type);
  memory.setUint32(RESULTS, ENTRIES, true);
  for (let index = 0; index < most; index++) {
    const at = ENTRIES + index * ENTRY_SIZE;
    memory.setUint32(at + 12, at + 40, true);
    memory.setUint32(at + 24, index + 1 < most ? at + ENTRY_SIZE : 0, true);
    memory.setUint32(at + 44, room, true);
    memory.setUint32(at + 48, at + 60, true);
  }
  const [nodeAt, nodeLength] = guest.put(node, 1024);
  const [serviceAt, serviceLength] = guest.put(service, 1500);
  const result = await guest.wait(
    'sock_getaddrinfo',
    ...[nodeAt, nodeLength, serviceAt, serviceLength, HINTS, RESULTS, most, COUNT],
  );
  if (result !== 'ok') return result;
  return Array.from({ length: guest.u32(COUNT) }, (_, index) => {
    const data = ENTRIES + index * ENTRY_SIZE + 60;
    const port = memory.getUint16(data);
    const is4 = memory.getUint8(ENTRIES + index * ENTRY_SIZE + 2) === 1;
    const ip = guest.bytes.subarray(data + (is4 ? 2 : 6), data + (is4 ? 6 : 22));
    return `${is4 ? ip.join('.') : Buffer.from(ip).toString('hex')} ${port}`;
  });
}

test('addresses and ports in digits need nobody, with and without the NUL', async () => {
  expect(await resolve('10.1.2.3\0', '8080\0')).toEqual(['10.1.2.3 8080']);
  expect(await resolve('::1', 'http')).toEqual([`${'0'.repeat(31)}1 80`]);
  expect(await resolve('', '53', { flags: 1, family: 1 })).toEqual(['0.0.0.0 53']);
  expect(await resolve('', '53', { family: 1 })).toEqual(['127.0.0.1 53']);
});

test("names of the container's own /etc/hosts are known", async () => {
  write('hosts', '10.0.0.7 web web.local\nfd00::7 web\n');
  expect(await resolve('web', '80')).toEqual(['10.0.0.7 80', `fd${'0'.repeat(29)}7 80`]);
  expect(await resolve('web', '80', { family: 1 })).toEqual(['10.0.0.7 80']);
  expect(await resolve('web', '80', { room: 14 })).toEqual(['10.0.0.7 80']);
  expect(await resolve('web', '80', { most: 1 })).toEqual(['10.0.0.7 80']);
});

test('what is wrong has the number that WasmEdge gives it', async () => {
  expect(await resolve('', '')).toBe('errno 84');
  expect(await resolve('10.0.0.1', 'no-such-service')).toBe('errno 85');
  expect(await resolve('10.0.0.1', 'http', { flags: 8 })).toBe('errno 85');
  expect(await resolve('name', '80', { flags: 4 })).toBe('errno 84');
  expect(await resolve('10.0.0.1', '80', { flags: 128 })).toBe('errno 79');
  expect(await resolve('10.0.0.1', '80', { family: 3 })).toBe('errno 81');
  expect(await resolve('10.0.0.1', '80', { room: 2 })).toBe('errno 82');
  expect(await guest.wait('sock_getaddrinfo', ...[BAD_POINTER, 9, 0, 0, 0, RESULTS, 1, COUNT])).toBe('EFAULT');
});

test('a name server that the guest names must be one that it may reach', async () => {
  using other = new SocketGuest({
    root: sandbox.folder('root'),
    network: loopbackNetwork({ policy: { allowLoopback: false, allow: [], deny: ['169.254.0.0/16'], ownPorts: [] } }),
  });
  guest[Symbol.dispose]();
  guest = other;
  write('resolv.conf', 'nameserver 169.254.169.254\n');
  expect(await resolve('web.example', '80')).toBe('EACCES');
});

test('a name is asked of the name server with the search domains', async ({ skip }) => {
  const server = createSocket('udp4').bind(53, '127.0.0.53');
  try {
    await once(server, 'listening');
  } catch {
    skip('port 53 of 127.0.0.53 cannot be opened here');
  }
  const asked: string[] = [];
  server.on('message', (query, { address, port }) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    asked.push(labels.join('.'));
    const known = labels.join('.') === 'web.ns.svc' && query.readUInt16BE(at + 1) === 1;
    const reply = Buffer.from(query.subarray(0, at + 5));
    reply.writeUInt16BE(known ? 0x8180 : 0x8183, 2);
    reply.writeUInt16BE(known ? 1 : 0, 6);
    reply.writeUInt32BE(0, 8);
    const answer = Buffer.from('c00c00010001000000050004' + '0a090807', 'hex');
    server.send(known ? Buffer.concat([reply, answer]) : reply, port, address);
  });
  try {
    write('resolv.conf', 'nameserver 127.0.0.53\nsearch ns.svc\noptions ndots:2\n');
    expect(await resolve('web', '80')).toEqual(['10.9.8.7 80']);
    expect(await resolve('nobody', '80')).toBe('errno 84');
    expect(asked).toContain('web.ns.svc');
  } finally {
    server.close();
  }
});

/**
 * A name server for tests: answers over UDP what a JSON file says, { "name.": ["address", …] }, read anew for each
 * question. As a program: `node dns.ts FILE PORT`.
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';

const HEADER_BYTES = 12;
const TYPE = { A: 1, AAAA: 28 } as const;
const NO_SUCH_NAME = 3;
/** An answer, not truncated, recursion available. */
const RESPONSE = 0x8180;
/** Where the question's name stands, as a pointer (RFC 1035, 4.1.4). */
const NAME_POINTER = 0xc000 | HEADER_BYTES;

/** Answers one question (RFC 1035, 4.1). */
export function answer(query: Buffer, records: Readonly<Record<string, readonly string[]>>): Buffer {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = query.readUInt16BE(at + 1);
  const question = query.subarray(HEADER_BYTES, at + 5);
  const addresses = records[`${labels.join('.').toLowerCase()}.`];
  const wanted = (addresses ?? []).filter((address) => type === (isIPv6(address) ? TYPE.AAAA : TYPE.A));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(RESPONSE | (addresses ? 0 : NO_SUCH_NAME), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(wanted.length, 6);
  return Buffer.concat([header, question, ...wanted.map((address) => resourceOf(type, address))]);
}

function resourceOf(type: number, address: string): Buffer {
  const data = isIPv6(address) ? bytesOfIPv6(address) : Buffer.from(address.split('.').map(Number));
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt16BE(NAME_POINTER, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  // The time to live in between is 0: ask again each time.
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function bytesOfIPv6(address: string): Buffer {
  const [front = [], back = []] = address.split('::').map((half) => half.split(':').filter((part) => part !== ''));
  const zeroes = Array<string>(8 - front.length - back.length).fill('0');
  return Buffer.from([...front, ...zeroes, ...back].map((part) => part.padStart(4, '0')).join(''), 'hex');
}

if (import.meta.main) {
  const [file = '', port = '53'] = process.argv.slice(2);
  const socket = createSocket('udp4');
  socket.on('message', (query, { port: to, address }) => {
    const records = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string[]>;
    socket.send(answer(query, records), to, address);
  });
  socket.bind(Number(port), () => process.stdout.write('ready\n'));
}

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../test-folder.ts';
import { LogWriter } from './log-writer.ts';
import { readPartial } from './partial.ts';
import { rotatedLogs } from './rotation.ts';

const ENTRY = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr) ([FP]) (.*)$/;

interface Entry {
  readonly time: string;
  readonly stream: string;
  readonly tag: string;
  readonly content: string;
}

function parse(path: string): Entry[] {
  const text = readFileSync(path, 'utf8');
  if (text === '') return [];
  expect(text.endsWith('\n')).toBe(true);
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      const [, time, stream, tag, content] = ENTRY.exec(line) ?? [];
      return { time: time!, stream: stream!, tag: tag!, content: content! };
    });
}

const short = (entries: Entry[]): string[] => entries.map(({ stream, tag, content }) => `${stream} ${tag} ${content}`);

function logIn(directory: string, limits = { maxSize: 0, maxFiles: 5 }) {
  const path = join(directory, '0.log');
  const writer = new LogWriter(path, limits, directory);
  return { path, writer, out: (text: string) => writer.stdout.write(Buffer.from(text)) };
}

describe('the log writer', () => {
  test('writes each line as one full entry in the CRI format, in the order of the writes', () => {
    using folder = testFolder();
    const { path, writer } = logIn(folder.path);
    writer.stdout.write(Buffer.from('one\ntwo\n'));
    writer.stderr.write(Buffer.from('three\n'));
    writer.stdout.write(Buffer.from('\n'));
    expect(short(parse(path))).toEqual(['stdout F one', 'stdout F two', 'stderr F three', 'stdout F ']);
    writer[Symbol.dispose]();
  });

  test('stamps entries with the present time, never going back', () => {
    using folder = testFolder();
    const { path, writer, out } = logIn(folder.path);
    const before = Date.now();
    for (let count = 0; count < 500; count++) out('x\n');
    const after = Date.now();
    const times = parse(path).map(({ time }) => time);
    expect(times).toEqual(times.toSorted());
    expect(Date.parse(times[0]!)).toBeGreaterThanOrEqual(before - 3);
    expect(Date.parse(times.at(-1)!)).toBeLessThanOrEqual(after + 3);
    writer[Symbol.dispose]();
  });

  test('joins a line that comes in pieces, each stream on its own', () => {
    using folder = testFolder();
    const { path, writer } = logIn(folder.path);
    writer.stdout.write(Buffer.from('a'));
    writer.stderr.write(Buffer.from('x'));
    writer.stdout.write(Buffer.from('b\nc'));
    writer.stderr.write(Buffer.from('y\n'));
    expect(short(parse(path))).toEqual(['stdout F ab', 'stderr F xy']);
    writer[Symbol.dispose]();
    expect(short(parse(path))).toEqual(['stdout F ab', 'stderr F xy', 'stdout P c']);
  });

  test('splits a line at 16 KiB, as containerd does', () => {
    using folder = testFolder();
    const { path, writer, out } = logIn(folder.path);
    out('e'.repeat(16384) + '\n');
    out('a'.repeat(40000));
    out('b\n');
    const entries = parse(path);
    expect(entries.map(({ tag, content }) => [tag, content.length])).toEqual([
      ['F', 16384],
      ['P', 16384],
      ['P', 16384],
      ['F', 40001 - 2 * 16384],
    ]);
    writer[Symbol.dispose]();
  });

  test('keeps what is unfinished of each line on the disk until the line is in the log', () => {
    using folder = testFolder();
    const { writer, out } = logIn(folder.path);
    out('first\nab');
    out('cd');
    writer.stderr.write(Buffer.from('err'));
    expect(readPartial(folder.path)?.map(String)).toEqual(['abcd', 'err']);
    out('\n');
    expect(readPartial(folder.path)?.map(String)).toEqual(['', 'err']);
    writer[Symbol.dispose]();
    expect(readPartial(folder.path)).toBeUndefined();
    expect(readdirSync(folder.path)).toEqual(['0.log']);
  });

  test('takes any bytes, and chunks of any size, without loss', () => {
    using folder = testFolder();
    const { path, writer } = logIn(folder.path);
    const lines = Array.from({ length: 3000 }, (_, index) => `${index} ${'é'.repeat(index % 200)}`);
    const bytes = Buffer.from(lines.join('\n') + '\n');
    for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7 + 13) % 5000) {
      writer.stdout.write(bytes.subarray(at, at + size));
      if (size === 0) size = 1;
    }
    expect(parse(path).map(({ content }) => content)).toEqual(lines);
    writer[Symbol.dispose]();
  });

  test('rotates inside the writing path: no file is too large, none too many, and the newest lines are all there', () => {
    using folder = testFolder();
    const { path, writer, out } = logIn(folder.path, { maxSize: 10_000, maxFiles: 4 });
    for (let count = 0; count < 2000; count++) out(`line ${count}\n`);
    const rotated = rotatedLogs(path);
    expect(rotated).toHaveLength(3);
    const files = [...rotated, path];
    for (const file of files) expect(readFileSync(file).length).toBeLessThanOrEqual(10_000);
    const numbers = files.flatMap((file) => parse(file).map(({ content }) => Number(content.slice(5))));
    const first = numbers[0]!;
    expect(first).toBeGreaterThan(0);
    expect(numbers).toEqual(Array.from({ length: 2000 - first }, (_, index) => first + index));
    writer[Symbol.dispose]();
  });

  test('rotates one large chunk at the borders of its lines', () => {
    using folder = testFolder();
    const { path, writer, out } = logIn(folder.path, { maxSize: 4_000, maxFiles: 100 });
    out(Array.from({ length: 1000 }, (_, index) => `line ${index}\n`).join(''));
    const files = [...rotatedLogs(path), path];
    for (const file of files) expect(readFileSync(file).length).toBeLessThanOrEqual(4_000);
    const numbers = files.flatMap((file) => parse(file).map(({ content }) => Number(content.slice(5))));
    expect(numbers).toEqual(Array.from({ length: 1000 }, (_, index) => index));
    writer[Symbol.dispose]();
  });

  test('appends to a log that exists', () => {
    using folder = testFolder();
    for (const text of ['before\n', 'after\n']) {
      const { writer, out } = logIn(folder.path);
      out(text);
      writer[Symbol.dispose]();
    }
    expect(short(parse(join(folder.path, '0.log')))).toEqual(['stdout F before', 'stdout F after']);
  });

  test('goes on when the disk is full', () => {
    using folder = testFolder();
    // /dev/full answers every write with ENOSPC.
    const writer = new LogWriter('/dev/full', { maxSize: 0, maxFiles: 5 }, folder.path);
    expect(() => writer.stdout.write(Buffer.from('lost\n'))).not.toThrow();
    expect(() => writer[Symbol.dispose]()).not.toThrow();
  });
});

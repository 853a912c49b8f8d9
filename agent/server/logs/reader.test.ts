import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WasmletError } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/log.ts';
import { formatEntry } from '../../../runtime/host/log-format.ts';
import { LogFile } from '../../../runtime/host/log-file.ts';
import { rotate } from '../../../runtime/host/rotation.ts';
import { compressRotatedLogs } from '../../../runtime/supervisor/compress.ts';
import { openLogReader, type LogOptions } from './reader.ts';
import { findTail } from './tail.ts';
import { parseInstant } from './timestamp.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-logs-'));
  path = join(folder, '0.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const lineAt = (second: number, text: string, stream: 'stdout' | 'stderr' = 'stdout') =>
  formatEntry(stream, 'F', Buffer.from(text), Date.UTC(2026, 10, 21, 11, 0, second)).toString();

interface Read {
  readonly text: Promise<string>;
  /** Tells the follow that the container has ended. */
  readonly end: () => void;
  /** Resolves when the text read so far holds this. */
  readonly seen: (text: string) => Promise<void>;
}

function read(options: Partial<LogOptions>, signal = new AbortController().signal): Read {
  const ended = new AbortController();
  let text = '';
  const waiting = new Set<() => void>();
  const log = { path, ended: ended.signal, running: () => Promise.resolve(!ended.signal.aborted) };
  const done = (async () => {
    const all = { follow: false, timestamps: false, stream: 'All' as const, ...options };
    await using reader = await openLogReader(log, all, { signal, logger: silentLogger });
    for await (const chunk of reader.chunks()) {
      text += Buffer.from(chunk).toString();
      for (const check of waiting) check();
    }
    return text;
  })();
  const seen = (wanted: string) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (text.includes(wanted)) resolve();
      };
      waiting.add(check);
      check();
    });
  return { text: done, end: () => ended.abort(), seen };
}

describe('a log that is not followed', () => {
  beforeEach(() => writeFileSync(path, [1, 2, 3, 4, 5].map((second) => lineAt(second, `line ${second}`)).join('')));

  test('is read from its start to its end', async () => {
    expect(await read({}).text).toBe('line 1\nline 2\nline 3\nline 4\nline 5\n');
  });

  test.each([
    [0, ''],
    [1, 'line 5\n'],
    [3, 'line 3\nline 4\nline 5\n'],
    [99, 'line 1\nline 2\nline 3\nline 4\nline 5\n'],
  ])('with tailLines %d shows the last of it', async (tailLines, text) => {
    expect(await read({ tailLines }).text).toBe(text);
  });

  test('combines tail, since, timestamps and a limit', async () => {
    const since = parseInstant('2026-11-21T11:00:04Z')!;
    expect(await read({ tailLines: 3, since, timestamps: true, limitBytes: 40 }).text).toBe(
      '2026-11-21T11:00:04.000000000Z line 4\n20',
    );
  });

  test('shows an entry whose line feed was not written yet', async () => {
    appendFileSync(path, lineAt(6, 'torn').trimEnd());
    expect(await read({}).text).toMatch(/line 5\ntorn$/);
    expect(await read({ tailLines: 1 }).text).toBe('line 5\n');
  });

  test('holds an entry that is larger than every buffer', async () => {
    const long = 'x'.repeat(700_000);
    writeFileSync(path, lineAt(1, long) + lineAt(2, 'after'));
    expect(await read({}).text).toBe(`${long}\nafter\n`);
  });

  test('that is missing is told of in the words of the kubelet', async () => {
    rmSync(path);
    await expect(read({}).text).rejects.toThrow(/^failed to try resolving symlinks in path ".*0\.log"/);
  });
});

test('the tail is found over the borders of blocks', async () => {
  const bytes = Buffer.from(
    Array.from({ length: 30_000 }, (_, index) => `${index} ${'y'.repeat(index % 50)}\n`).join(''),
  );
  const file = {
    read: (buffer: Uint8Array, offset: number, length: number, position: number) =>
      Promise.resolve({ bytesRead: bytes.copy(buffer, offset, position, position + length) }),
  };
  for (const lines of [0, 1, 2, 1999, 2000, 2500, 29_999, 30_000, 40_000]) {
    const start = await findTail(file, bytes.length, lines);
    const expected = bytes
      .toString()
      .split('\n')
      .slice(0, -1)
      .slice(-lines || 30_000);
    expect(bytes.toString('utf8', start).split('\n').slice(0, -1)).toEqual(lines === 0 ? [] : expected);
  }
});

describe('a follow', () => {
  test('shows what is added and ends with the container', async () => {
    writeFileSync(path, lineAt(1, 'first'));
    const log = read({ follow: true });
    await log.seen('first');
    appendFileSync(path, lineAt(2, 'second'));
    await log.seen('second');
    appendFileSync(path, lineAt(3, 'last'));
    log.end();
    expect(await log.text).toBe('first\nsecond\nlast\n');
  });

  test('of the tail begins at the tail and goes on', async () => {
    writeFileSync(path, lineAt(1, 'old') + lineAt(2, 'newer'));
    const log = read({ follow: true, tailLines: 1 });
    await log.seen('newer');
    appendFileSync(path, lineAt(3, 'newest'));
    await log.seen('newest');
    log.end();
    expect(await log.text).toBe('newer\nnewest\n');
  });

  test('waits for the rest of an entry, and takes it back where the writer did', async () => {
    writeFileSync(path, lineAt(1, 'whole'));
    const log = read({ follow: true });
    await log.seen('whole');
    const entry = lineAt(2, 'in two parts');
    appendFileSync(path, entry.slice(0, 30));
    await turn();
    appendFileSync(path, entry.slice(30));
    await log.seen('in two parts');
    log.end();
    expect(await log.text).toBe('whole\nin two parts\n');
  });

  test('ends when its reader goes away', async () => {
    writeFileSync(path, lineAt(1, 'first'));
    const gone = new AbortController();
    const log = read({ follow: true }, gone.signal);
    await log.seen('first');
    gone.abort();
    expect(await log.text).toBe('first\n');
  });

  test('ends when the runtime says so, and not while it cannot be asked', async () => {
    writeFileSync(path, lineAt(1, 'first'));
    const answers = [new WasmletError('Unavailable', 'the supervisor is away'), true, false];
    const running = () => {
      const answer = answers.shift()!;
      if (answer === true) appendFileSync(path, lineAt(2, 'second'));
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    };
    const options = { follow: true, timestamps: false, stream: 'All' as const };
    const context = { signal: new AbortController().signal, logger: silentLogger };
    await using reader = await openLogReader({ path, running }, options, context);
    let text = '';
    for await (const chunk of reader.chunks()) text += Buffer.from(chunk).toString();
    expect(text).toBe('first\nsecond\n');
    expect(answers).toEqual([]);
  });

  test('ends at the limit', async () => {
    writeFileSync(path, lineAt(1, 'first'));
    const log = read({ follow: true, limitBytes: 8 });
    await log.seen('first');
    appendFileSync(path, lineAt(2, 'second'));
    expect(await log.text).toBe('first\nse');
  });

  test('reads on through files that were rotated, compressed and removed while it was away', async () => {
    const at = (name: string) => join(folder, name);
    writeFileSync(path, lineAt(1, 'held'));
    const log = read({ follow: true });
    await log.seen('held');
    // All at once, for the reader: three rotations, of which the held file is gone and the next is compressed.
    rotate(path, 2, new Date(2026, 0, 1, 0, 0, 1));
    writeFileSync(path, lineAt(2, 'plain'));
    rmSync(at('0.log.20260101-000001'));
    writeFileSync(at('0.log.20260101-000002.gz'), gzipSync(lineAt(2, 'compressed')));
    writeFileSync(at('0.log.20260101-000003.gz.tmp'), 'unfinished');
    await log.seen('plain');
    log.end();
    expect(await log.text).toBe('held\ncompressed\nplain\n');
  });

  test('through rotations and compression under a writer shows every line once', async () => {
    const count = 30_000;
    const writer = new LogFile(path, { maxSize: 40_000, maxFiles: 1000 });
    const stop = new AbortController();
    const log = read({ follow: true });
    const compressing = (async () => {
      while (!stop.signal.aborted) {
        await compressRotatedLogs(path, stop.signal);
        await turn();
      }
    })();
    for (let number = 1; number <= count; number++) {
      const entry = formatEntry('stdout', 'F', Buffer.from(`${number}`), Date.now() + number / 1e3);
      writer.append(entry, entry.length);
      if (number % 37 === 0) await turn();
    }
    writer.close();
    log.end();
    const numbers = (await log.text).trimEnd().split('\n').map(Number);
    stop.abort();
    await compressing;
    expect(await readdir(folder)).toSatisfy((names: string[]) => names.length > 20);
    expect(numbers).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  });
});

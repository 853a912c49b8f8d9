import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { LogFile } from './log-file.ts';
import { testFolder } from '../test-folder.ts';

test('a write that does not fit is cut at the border of an entry, and the loss is told once there is room', () => {
  using folder = testFolder();
  const script = join(folder.path, 'script.ts');
  const path = join(folder.path, '0.log');
  const module = fileURLToPath(new URL('log-file.ts', import.meta.url));
  writeFileSync(path, '');
  // A limit on the size of a file is the nearest to a full disk that needs no mount; Node ignores SIGXFSZ, so EFBIG.
  writeFileSync(
    script,
    `import { LogFile } from ${JSON.stringify(module)};
     const file = new LogFile(${JSON.stringify(path)}, { maxSize: 0, maxFiles: 2 });
     const entry = Buffer.from('x'.repeat(99) + '\\n');
     const many = Buffer.concat(Array(15).fill(entry));
     const first = file.append(many, many.length);
     console.log(JSON.stringify({ first, dropped: file.dropped }));`,
  );
  const output = execFileSync('/bin/sh', ['-c', `ulimit -f 1; exec "${process.execPath}" "${script}"`], {
    encoding: 'utf8',
  });
  const { first, dropped } = JSON.parse(output) as { first: boolean; dropped: number };
  const text = readFileSync(path, 'utf8');
  expect(first).toBe(false);
  expect(text.length % 100).toBe(0);
  expect(text.length).toBeGreaterThan(0);
  expect(text.length + dropped).toBe(1500);
});

/** A log that others rotate is looked for once in a millisecond. */
function nextMillisecond(): void {
  const now = Date.now();
  while (Date.now() === now);
}

test('a log that others rotate goes on where it was moved to, until another file stands at its path', () => {
  using folder = testFolder();
  const path = join(folder.path, '0.log');
  const file = new LogFile(path, { maxSize: 0, maxFiles: 0 });
  const write = (text: string) => {
    nextMillisecond();
    file.append(Buffer.from(text), text.length);
  };
  write('one\n');
  renameSync(path, `${path}.1`);
  write('two\n');
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, '');
  write('three\n');
  write('four\n');
  file.close();
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\ntwo\n');
  expect(readFileSync(path, 'utf8')).toBe('three\nfour\n');
});

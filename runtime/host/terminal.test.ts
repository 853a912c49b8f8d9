import { expect, test } from 'vitest';
import { terminalOutput } from './terminal.ts';

test('a terminal puts a carriage return before each line feed, and both streams are one', () => {
  const written: string[] = [];
  const { stdout, stderr } = terminalOutput({
    stdout: { write: (chunk) => void written.push(String.fromCharCode(...chunk)) },
  });
  stdout.write(Buffer.from('one\ntwo'));
  stderr.write(Buffer.from('three'));
  stderr.write(Buffer.from('\n\n'));
  expect(written).toEqual(['one\r\ntwo', 'three', '\r\n\r\n']);
});

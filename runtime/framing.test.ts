import { describe, expect, test } from 'vitest';
import { encodeMessage, MessageReader } from './framing.ts';

describe('messages', () => {
  test('are put together from chunks cut anywhere', () => {
    const messages = [{ a: 1 }, { text: 'line\nfeed, ünïcode' }, {}];
    const bytes = Buffer.from(messages.map(encodeMessage).join(''));
    for (let size = 1; size <= bytes.length; size++) {
      const reader = new MessageReader(1000);
      const read: object[] = [];
      for (let at = 0; at < bytes.length; at += size) read.push(...reader.push(bytes.subarray(at, at + size)));
      expect(read).toEqual(messages);
    }
  });

  test('that are too long are refused before they are whole', () => {
    const reader = new MessageReader(10);
    reader.push(Buffer.from('1234567890'));
    expect(() => reader.push(Buffer.from('1'))).toThrow('a message exceeds 10 bytes');
  });

  test.each(['nonsense\n', 'null\n', '5\n', '\n'])('that are no JSON objects are refused: %j', (text) => {
    expect(() => new MessageReader(100).push(Buffer.from(text))).toThrow('is not');
  });
});

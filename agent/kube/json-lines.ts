import { WasmletError } from '../../base/errors.ts';

const NEWLINE = 0x0a;

/**
 * The JSON values of a stream that has one a line, as watches are.
 * @param maxLineBytes what a line may measure at the most
 * @throws WasmletError Unavailable for a longer line or one that is not JSON
 */
export async function* jsonLines(
  body: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<unknown, void, undefined> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line = Buffer.concat([...pending, chunk.subarray(start, end)]);
      pending = [];
      pendingBytes = 0;
      start = end + 1;
      if (line.length > 0) yield parseLine(line);
    }
    if (start === chunk.length) continue;
    pending.push(chunk.subarray(start));
    pendingBytes += chunk.length - start;
    if (pendingBytes > maxLineBytes) {
      throw new WasmletError('Unavailable', `a watch sent a line of more than ${maxLineBytes} bytes`);
    }
  }
}

function parseLine(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'));
  } catch (cause) {
    throw new WasmletError('Unavailable', 'a watch sent a line that is not JSON', { cause });
  }
}

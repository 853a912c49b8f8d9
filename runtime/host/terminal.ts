import type { OutputSink } from '../../wasi/wasi.ts';

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * The output of a container with a terminal: both of its streams are the terminal, which puts a carriage return before
 * each line feed (termios(3), ONLCR), as the log of such a container has them under containerd too.
 */
export function terminalOutput({ stdout }: { readonly stdout: OutputSink }): Record<'stdout' | 'stderr', OutputSink> {
  const terminal: OutputSink = {
    write: (chunk) => stdout.write(chunk.includes(LINE_FEED) ? withReturns(chunk) : chunk),
  };
  return { stdout: terminal, stderr: terminal };
}

function withReturns(chunk: Uint8Array): Uint8Array {
  let lines = 0;
  for (const byte of chunk) if (byte === LINE_FEED) lines++;
  const result = new Uint8Array(chunk.length + lines);
  let at = 0;
  for (const byte of chunk) {
    if (byte === LINE_FEED) result[at++] = CARRIAGE_RETURN;
    result[at++] = byte;
  }
  return result;
}

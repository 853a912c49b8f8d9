import { WasmletError } from '../base/errors.ts';

/** Newline-delimited JSON: JSON.stringify never puts a raw line feed into its text, so a line is a message. */

const LINE_FEED = 0x0a;

/** @returns the message as one line */
export const encodeMessage = (message: object): string => `${JSON.stringify(message)}\n`;

/**
 * Cuts a byte stream into messages. It holds the bytes of one unfinished message, and refuses to hold more than
 * `maxBytes` of them, so that a peer cannot fill the memory with a line that never ends.
 */
export class MessageReader {
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * @param chunk bytes as they arrived
   * @returns the messages that are complete now, parsed
   * @throws WasmletError InvalidArgument when a message is too long or no JSON object; the stream is of no use then
   */
  push(chunk: Buffer): object[] {
    const messages: object[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      this.#hold(chunk.subarray(start, end));
      messages.push(this.#take());
      start = end + 1;
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start));
    return messages;
  }

  #hold(part: Buffer): void {
    this.#pendingBytes += part.length;
    if (this.#pendingBytes > this.#maxBytes) {
      throw new WasmletError('InvalidArgument', `a message exceeds ${this.#maxBytes} bytes; the connection is closed`);
    }
    this.#pending.push(part);
  }

  #take(): object {
    const line = Buffer.concat(this.#pending).toString('utf8');
    this.#pending = [];
    this.#pendingBytes = 0;
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch (cause) {
      throw new WasmletError('InvalidArgument', 'a message is not JSON; the connection is closed', { cause });
    }
    if (typeof message !== 'object' || message === null) {
      throw new WasmletError('InvalidArgument', 'a message is not a JSON object; the connection is closed');
    }
    return message;
  }
}

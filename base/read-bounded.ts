import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf, WasmletError } from './errors.ts';

const OPEN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Reads a file that somebody else may write, who is not trusted: no link is followed, nothing is waited for, and no more
 * is read than there may be, whatever it grows to meanwhile.
 * @returns undefined when there is no such file
 * @throws WasmletError InvalidRecord when it is longer, or no file; system errors, ELOOP for a link
 */
export function readBounded(path: string, maxBytes: number): Buffer | undefined {
  let fd: number;
  try {
    fd = openSync(path, OPEN);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new WasmletError('InvalidRecord', `${path} is no file`);
    const bytes = Buffer.alloc(Math.min(stats.size, maxBytes + 1));
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    if (length > maxBytes) throw new WasmletError('InvalidRecord', `${path} has more than ${maxBytes} bytes`);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}

import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../base/errors.ts';
import { asHost } from './guest-identity.ts';
import { MAX_LINE_BYTES } from './log-format.ts';

/**
 * A log line that the guest has begun and not finished, kept in a file beside the records: the log gets whole lines, as
 * containerd writes them, and yet a host that is ended by a signal loses nothing. The supervisor brings the remains
 * into the log (log-repair.ts).
 *
 * The file has one slot per stream: four bytes of length (little-endian), then the bytes.
 */

const LENGTH_BYTES = 4;
const SLOT_BYTES = LENGTH_BYTES + MAX_LINE_BYTES;

export const partialPath = (directory: string): string => join(directory, 'partial');

export class PartialFile {
  readonly #path: string;
  #fd: number | undefined;
  readonly #saved: [number, number] = [0, 0];
  readonly #length = Buffer.alloc(LENGTH_BYTES);

  constructor(directory: string) {
    this.#path = partialPath(directory);
  }

  /**
   * Keeps the unfinished line of one stream. `bytes` may only have grown since the last call, unless that was `clear`.
   * @param slot 0: stdout, 1: stderr
   */
  save(slot: 0 | 1, bytes: Uint8Array, length: number): void {
    const saved = this.#saved[slot];
    if (length === saved) return;
    try {
      this.#fd ??= asHost(() => openSync(this.#path, 'w', 0o600));
      writeSync(this.#fd, bytes, saved, length - saved, slot * SLOT_BYTES + LENGTH_BYTES + saved);
      this.#writeLength(this.#fd, slot, length);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }

  /** Forgets the unfinished line of a stream: it has reached the log. */
  clear(slot: 0 | 1): void {
    if (this.#saved[slot] === 0 || this.#fd === undefined) return;
    this.#writeLength(this.#fd, slot, 0);
  }

  #writeLength(fd: number, slot: 0 | 1, length: number): void {
    this.#length.writeUInt32LE(length);
    writeSync(fd, this.#length, 0, LENGTH_BYTES, slot * SLOT_BYTES);
    this.#saved[slot] = length;
  }

  /** Removes the file. */
  close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    asHost(() => rmSync(this.#path, { force: true }));
  }
}

/** Whether an error says that there is no room: on the disk, in a quota, under a limit on the size of files. */
export const isDiskFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(errnoOf(error) ?? '');

/**
 * What a host left unfinished.
 * @returns the bytes of stdout and of stderr, or undefined when there are none
 */
export function readPartial(directory: string): readonly [Buffer, Buffer] | undefined {
  // No more than there can be, whatever is in the file by now.
  const bytes = Buffer.alloc(2 * SLOT_BYTES);
  let content: Buffer;
  try {
    const fd = openSync(partialPath(directory), 'r');
    try {
      content = bytes.subarray(0, readSync(fd, bytes));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const slot = (start: number): Buffer => {
    const length = content.length < start + LENGTH_BYTES ? 0 : content.readUInt32LE(start);
    return content.subarray(start + LENGTH_BYTES, start + LENGTH_BYTES + Math.min(length, MAX_LINE_BYTES));
  };
  const remains = [slot(0), slot(SLOT_BYTES)] as const;
  return remains[0].length + remains[1].length === 0 ? undefined : remains;
}

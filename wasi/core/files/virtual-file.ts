import { PosixError } from '../posix-error.ts';
import type { RegularFile } from './regular-file.ts';
import type { FileStat, FileType } from './stat.ts';

/** The bytes of a file that no file system holds. */
export interface VirtualContent {
  readonly size: bigint;
  /** Fills the view as far as there is something at the offset. Returns the number of bytes. */
  read(view: Uint8Array, offset: bigint): number;
  /** Takes the bytes; without it the file cannot be opened to be written. */
  write?(view: Uint8Array): number;
}

/** A leaf of the guest's tree that the runtime makes up. */
export type VirtualNode =
  | { readonly type: Extract<FileType, 'character' | 'file'>; open(): VirtualContent }
  /** Whatever the guest's descriptor of this number stands for, as /dev/stdout. */
  | { readonly type: 'character'; readonly stream: number }
  /** The signals that the guest takes itself. */
  | { readonly type: 'character'; readonly signals: true };

/** What is told of such a file; its times are not kept. */
export const virtualStat = (type: FileType, ino: bigint): FileStat => ({
  dev: 0n,
  ino,
  type,
  nlink: 1n,
  size: 0n,
  atimeNs: 0n,
  mtimeNs: 0n,
  ctimeNs: 0n,
});

/** A file that the runtime makes up, open. */
export class VirtualFile implements RegularFile {
  readonly kind = 'file';
  readonly readonly = true;
  readonly hostPath = undefined;
  readonly #content: VirtualContent;
  readonly #stat: FileStat;
  #position = 0n;

  constructor(content: VirtualContent, stat: FileStat) {
    this.#content = content;
    this.#stat = stat;
  }

  read(views: readonly Uint8Array[]): number {
    const count = this.pread(views, this.#position);
    this.#position += BigInt(count);
    return count;
  }

  pread(views: readonly Uint8Array[], offset: bigint): number {
    let count = 0;
    for (const view of views) {
      const got = this.#content.read(view, offset + BigInt(count));
      count += got;
      if (got < view.length) break;
    }
    return count;
  }

  write(views: readonly Uint8Array[]): number {
    return views.reduce((count, view) => count + this.#take(view), 0);
  }

  pwrite(views: readonly Uint8Array[]): number {
    return this.write(views);
  }

  #take(view: Uint8Array): number {
    if (this.#content.write === undefined) throw new PosixError('EBADF');
    return view.length === 0 ? 0 : this.#content.write(view);
  }

  seek(offset: bigint, from: 'start' | 'current' | 'end'): bigint {
    const position = { start: 0n, current: this.#position, end: this.#content.size }[from] + offset;
    if (position < 0n) throw new PosixError('EINVAL');
    this.#position = position;
    return position;
  }

  tell = (): bigint => this.#position;
  stat = (): FileStat => this.#stat;
  setSize(): void {
    throw new PosixError('EINVAL');
  }
  extend(): void {
    throw new PosixError('ENOTSUP');
  }
  setTimes(): void {
    throw new PosixError('EROFS');
  }
  sync(): void {
    throw new PosixError('EINVAL');
  }
  dataSync(): void {
    throw new PosixError('EINVAL');
  }
  /** Where its bytes go does not depend on the mode. */
  setMode(): void {
    return undefined;
  }
  close(): void {
    return undefined;
  }
}

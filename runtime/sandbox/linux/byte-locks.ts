import { closeSync, openSync } from 'node:fs';
import { systemCall, SystemCallError } from './call.ts';

/** asm-generic/fcntl.h */
const F_OFD_SETLK = 37;
const F_WRLCK = 1;
const F_UNLCK = 2;

/** struct flock of 64-bit machines: two shorts, two offsets from byte 8 on, and a pid that is 0 here. */
const FLOCK_BYTES = 32;

/**
 * Locks on bytes of a file, which need not exist (fcntl(2), open file description locks): each object has its own, and the
 * kernel takes them away with its process, however that ends.
 */
export class ByteLocks implements Disposable {
  readonly #fd: number;

  /** @param path made where it is not there. @throws system errors */
  constructor(path: string) {
    this.#fd = openSync(path, 'a', 0o600);
  }

  /** @returns false when another object has one of these bytes. @throws SystemCallError */
  tryLock(start: number, length: number): boolean {
    try {
      this.#set(F_WRLCK, start, length);
      return true;
    } catch (error) {
      if (error instanceof SystemCallError && ['EAGAIN', 'EACCES'].includes(error.code)) return false;
      throw error;
    }
  }

  /** @throws SystemCallError */
  unlock(start: number, length: number): void {
    this.#set(F_UNLCK, start, length);
  }

  #set(type: number, start: number, length: number): void {
    const lock = Buffer.alloc(FLOCK_BYTES);
    lock.writeInt16LE(type, 0);
    lock.writeBigInt64LE(BigInt(start), 8);
    lock.writeBigInt64LE(BigInt(length), 16);
    systemCall('fcntl', this.#fd, F_OFD_SETLK, lock);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

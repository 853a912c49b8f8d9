import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { readBounded } from '../../base/read-bounded.ts';
import { asHost } from './guest-identity.ts';

/** Digits of the largest count: it is always written over as a whole. */
const DIGITS = 16;

const fuelPath = (directory: string): string => join(directory, 'fuel');

/** Where the host notes how much a guest has computed, where the engine counts it. */
export class FuelFile implements Disposable {
  readonly #path: string;
  #fd: number | undefined;

  constructor(directory: string) {
    this.#path = fuelPath(directory);
  }

  write(used: number): void {
    this.#fd ??= asHost(() => openSync(this.#path, 'w', 0o600));
    writeSync(this.#fd, `${used}`.padStart(DIGITS, '0'), 0);
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** What a host has noted; undefined when it has not, as with engines that do not count, or has written something else. */
export function readFuel(directory: string): number | undefined {
  try {
    const used = Number(readBounded(fuelPath(directory), DIGITS)?.toString('latin1') ?? NaN);
    return Number.isSafeInteger(used) ? used : undefined;
  } catch {
    // Who asks for it asks for that of all containers.
    return undefined;
  }
}

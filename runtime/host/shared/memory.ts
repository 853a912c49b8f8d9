import type { Guest } from '../../engine/engine.ts';
import type { GuestSocket } from '../../../wasi/sockets/socket.ts';
import type { LoadedGuest } from '../guest.ts';
import { PRIVATE } from '../../wasm/rewrite/names.ts';

const PAGE_BYTES = 64 * 1024;

/** What V8 keeps for one entry of a table. */
const TABLE_ENTRY_BYTES = 8;

/** What a growth takes, in bytes. @param delta pages of a memory (kind 0), elements of a table (kind 1) */
export const growthBytes = (kind: number, delta: number): number =>
  delta * (kind === 0 ? PAGE_BYTES : TABLE_ENTRY_BYTES);

/** The memory of one guest: all linear memories and tables of its module, which the rewriting pass has exported. */
export class GuestSize {
  readonly #memories: readonly WebAssembly.Memory[];
  readonly #tables: readonly WebAssembly.Table[];

  constructor({ exports }: Guest) {
    this.#memories = collect<WebAssembly.Memory>(exports, PRIVATE.memory);
    this.#tables = collect<WebAssembly.Table>(exports, PRIVATE.table);
  }

  get bytes(): number {
    const memories = this.#memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    return this.#tables.reduce((sum, { length }) => sum + length * TABLE_ENTRY_BYTES, memories);
  }
}

/** What a descriptor is in JavaScript, about. */
const DESCRIPTOR_BYTES = 512;
const LISTED_NAME_BYTES = 128;

/** What the host holds for a guest beside its memory: open things, data that it has not read, lists of folders. */
export function hostBytes(descriptors: LoadedGuest['descriptors']): number {
  let bytes = 0;
  for (const { object, listing = [] } of descriptors) {
    bytes += DESCRIPTOR_BYTES + listing.length * LISTED_NAME_BYTES;
    if (object.kind === 'input') bytes += object.available() ?? 0;
    else if (object.kind === 'socket') bytes += unread(object);
  }
  return bytes;
}

function unread(socket: GuestSocket): number {
  try {
    return socket.readReadiness()?.bytes ?? 0;
  } catch {
    // One that has failed holds nothing.
    return 0;
  }
}

function collect<T>(exports: Guest['exports'], name: (index: number) => string): T[] {
  const found: T[] = [];
  for (let index = 0; Object.hasOwn(exports, name(index)); index++) found.push(exports[name(index)] as T);
  return found;
}

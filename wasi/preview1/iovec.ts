import type { GuestMemory } from '../core/guest-memory.ts';
import { PosixError } from '../core/posix-error.ts';

/** Linux: IOV_MAX. Also bounds what one call allocates. */
export const MAX_IOVECS = 1024;
const IOVEC_SIZE = 8;

/** `iovec` and `ciovec`: `{ buf: u32, buf_len: u32 }`. */
export const iovecPointer = (memory: GuestMemory, iovec: number): number => memory.u32(iovec);
export const iovecLength = (memory: GuestMemory, iovec: number): number => memory.u32((iovec >>> 0) + 4);

/**
 * The buffers of an `iovec_array`, as views of the guest's memory, as far as one call may move them.
 * @throws PosixError EINVAL more than 1024, or together beyond 32 bits; EFAULT
 */
export function iovecs(memory: GuestMemory, pointer: number, count: number): Uint8Array[] {
  if (count >>> 0 > MAX_IOVECS) throw new PosixError('EINVAL');
  const base = pointer >>> 0;
  memory.check(base, count * IOVEC_SIZE);
  const views: Uint8Array[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    const at = base + index * IOVEC_SIZE;
    const view = memory.view(iovecPointer(memory, at), iovecLength(memory, at));
    total += view.length;
    views.push(view);
  }
  if (total > 0xffff_ffff) throw new PosixError('EINVAL');
  return total > memory.maxTransfer ? shortened(views, memory.maxTransfer) : views;
}

function shortened(views: readonly Uint8Array[], length: number): Uint8Array[] {
  let left = length;
  return views.map((view) => {
    const part = view.subarray(0, left);
    left -= part.length;
    return part;
  });
}

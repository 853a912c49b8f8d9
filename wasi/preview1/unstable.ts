import type { FileStat } from '../core/files/stat.ts';
import type { GuestMemory } from '../core/guest-memory.ts';
import { FILETYPE, RIGHT } from './abi.ts';
import { requireRights } from './descriptor.ts';
import { statOf } from './fd.ts';
import { oftenFailing, plain, type Preview1Function, type Preview1Functions } from './function.ts';
import { lastLink, locator } from './path.ts';
import { pollFunction, type SubscriptionLayout } from './poll.ts';
import type { Preview1State } from './state.ts';

/** Import module of toolchains from before 2020 (Rust 1.41, wasi-sdk 8): snapshot 0 of Preview 1. */
export const UNSTABLE_MODULE = 'wasi_unstable';

const FILESTAT_SIZE = 56;
/** A `subscription_clock` began with an identifier of its own. */
const SUBSCRIPTION: SubscriptionLayout = { size: 56, clockAt: 24 };
/** `whence` of snapshot 0 (current, end, start) as numbers of snapshot 1. */
const WHENCE = [1, 2, 0] as const;
const NO_WHENCE = 3;

/** `filestat` of snapshot 0: its nlink had 32 bits. */
function setFilestat(memory: GuestMemory, pointer: number, stat: FileStat): void {
  memory.check(pointer, FILESTAT_SIZE);
  const at = pointer >>> 0;
  memory.setU64(at, stat.dev);
  memory.setU64(at + 8, stat.ino);
  memory.setU32(at + 16, FILETYPE[stat.type]);
  memory.setU32(at + 20, Number(stat.nlink));
  for (const [index, value] of [stat.size, stat.atimeNs, stat.mtimeNs, stat.ctimeNs].entries()) {
    memory.setU64(at + 24 + index * 8, value);
  }
}

function seekOf({ fd_seek: seek }: Preview1Functions): Preview1Functions {
  const call = seek?.call as ((fd: number, offset: bigint, whence: number, out: number) => unknown) | undefined;
  if (call === undefined) return {};
  return {
    fd_seek: {
      suspends: false,
      call: (fd: number, offset: bigint, whence: number, out: number) =>
        call(fd, offset, WHENCE[whence] ?? NO_WHENCE, out),
    } satisfies Preview1Function,
  };
}

/**
 * The functions under their old module's name: those whose types were laid out otherwise in snapshot 0 stand in for
 * the others. See https://github.com/WebAssembly/WASI/blob/main/legacy/preview0/docs.md
 * @param functions those of snapshot 1
 */
export function unstableFunctions(state: Preview1State, functions: Preview1Functions): Preview1Functions {
  const { memory, descriptors, tree } = state;
  const locate = locator(state);
  return {
    ...functions,
    ...seekOf(functions),
    fd_filestat_get: plain((fd: number, out: number) => {
      const descriptor = descriptors.get(fd);
      requireRights(descriptor, RIGHT.FD_FILESTAT_GET);
      setFilestat(memory, out, statOf(descriptor));
    }),
    path_filestat_get: oftenFailing((fd: number, lookup: number, pointer: number, length: number, out: number) => {
      const at = locate(fd, RIGHT.PATH_FILESTAT_GET, pointer, length);
      setFilestat(memory, out, tree.stat(at, lastLink(lookup)));
    }),
    poll_oneoff: pollFunction(state, SUBSCRIPTION),
  };
}

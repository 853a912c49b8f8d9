/* eslint-disable max-params -- the specification's functions have so many */
import type { OpenOptions } from '../core/files/open.ts';
import type { Location } from '../core/files/tree.ts';
import type { LastLink } from '../core/files/walk.ts';
import type { GuestMemory } from '../core/guest-memory.ts';
import { PosixError } from '../core/posix-error.ts';
import { SIGNAL } from '../core/signals.ts';
import {
  DIRECTORY_RIGHTS,
  FDFLAG,
  FILE_RIGHTS,
  INHERITED_RIGHTS,
  LOOKUP_FOLLOW,
  OFLAG,
  RIGHT,
  rightsFrom,
  STDIN_RIGHTS,
} from './abi.ts';
import { directoryOf, duplicate, requireRights, type Descriptor } from './descriptor.ts';
import { writeModeOf } from './fd.ts';
import { newTimes, setFilestat } from './filestat.ts';
import { oftenFailing, type Preview1Functions } from './function.ts';
import type { Preview1State } from './state.ts';

/** Linux: PATH_MAX. Checked before a path is copied out of the guest. */
const MAX_PATH = 4096;

const pathOf = (memory: GuestMemory, pointer: number, length: number): string => {
  if (length >>> 0 >= MAX_PATH) throw new PosixError('ENAMETOOLONG');
  return memory.string(pointer, length);
};

/** When a link at the end of a path is followed, by `lookupflags`. */
export const lastLink = (lookupFlags: number): LastLink => ((lookupFlags & LOOKUP_FOLLOW) !== 0 ? 'follow' : 'slash');

type Locate = (fd: number, rights: number, pointer: number, length: number) => Location;

/** How a path function gets from its arguments to a place: checks the descriptor and its rights, reads the path. */
export const locator =
  ({ memory, descriptors }: Preview1State): Locate =>
  (fd, rights, pointer, length) => ({
    directory: directoryOf(descriptors.get(fd), rights),
    path: pathOf(memory, pointer, length),
  });

/** @throws PosixError EINVAL for flags that exclude one another, or that the specification does not know */
function openOptions(base: number, oflags: number, fdflags: number): OpenOptions {
  const options = {
    ...writeModeOf(fdflags),
    read: (base & RIGHT.FD_READ) !== 0,
    write: (base & RIGHT.FD_WRITE) !== 0,
    create: (oflags & OFLAG.CREAT) !== 0,
    exclusive: (oflags & OFLAG.EXCL) !== 0,
    truncate: (oflags & OFLAG.TRUNC) !== 0,
    directory: (oflags & OFLAG.DIRECTORY) !== 0,
  };
  // What would be made, or cut off, is a file.
  if (options.directory && (options.create || options.truncate || options.exclusive)) throw new PosixError('EINVAL');
  return options;
}

/**
 * WASI Preview 1, `path_open`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_open
 */
function pathOpen(state: Preview1State): Preview1Functions {
  const { memory, descriptors, tree } = state;
  const open = (
    fd: number,
    lookup: number,
    pointer: number,
    length: number,
    oflags: number,
    baseBits: bigint,
    _inheriting: bigint,
    fdflags: number,
    out: number,
  ): void => {
    // Of sockets' rights, which some ask for with all others, nothing in the tree has any.
    const base = rightsFrom(baseBits) & INHERITED_RIGHTS;
    const create = (oflags & OFLAG.CREAT) !== 0;
    const truncate = (oflags & OFLAG.TRUNC) !== 0;
    const parent = descriptors.get(fd);
    const directory = directoryOf(parent, RIGHT.PATH_OPEN);
    requireRights(parent, (create ? RIGHT.PATH_CREATE_FILE : 0) | (truncate ? RIGHT.PATH_FILESTAT_SET_SIZE : 0));
    if ((base & ~parent.rightsInheriting) !== 0) throw new PosixError('ENOTCAPABLE');
    const options = openOptions(base, oflags, fdflags);
    const path = pathOf(memory, pointer, length);
    memory.check(out, 4);
    if (!descriptors.hasRoom) throw new PosixError('EMFILE');
    // What is to be made anew is not made elsewhere: O_EXCL follows no link.
    const last = create && options.exclusive ? 'slash' : lastLink(lookup);
    const object = tree.open({ directory, path }, last, options);
    if (object.kind === 'stream') {
      // As the link to /proc/self/fd/N that it is elsewhere: nothing is there when the guest has closed it.
      if (!descriptors.has(object.number)) throw new PosixError('ENOENT');
      memory.setU32(out, duplicate(descriptors, object.number));
      return;
    }
    if (object.kind === 'signals') {
      memory.setU32(out, descriptors.insert(openSignals(state, fdflags)));
      return;
    }
    // As fstat(2), which needs no right: Zig asks for the size of what it has opened to write, without asking to.
    const asked = base | (RIGHT.FD_FILESTAT_GET & parent.rightsInheriting);
    const rightsBase = asked & (object.kind === 'directory' ? DIRECTORY_RIGHTS : FILE_RIGHTS);
    const flags = object.kind === 'directory' ? 0 : fdflags;
    // Not what the guest asks for: Zig lets a directory inherit what directories need, and then writes files in it.
    const rightsInheriting = object.kind === 'directory' ? parent.rightsInheriting : 0;
    memory.setU32(out, descriptors.insert({ object, rightsBase, rightsInheriting, flags }));
  };
  return { path_open: oftenFailing(open) };
}

/** /dev/signal: SIGTERM, or what stops this container in its place, waits to be read as long as it is open. */
function openSignals({ signals, context }: Preview1State, fdflags: number): Descriptor {
  const object = signals.open(context.stopSignal ?? SIGNAL.TERM);
  object.nonblocking = (fdflags & FDFLAG.NONBLOCK) !== 0;
  return { object, rightsBase: STDIN_RIGHTS, rightsInheriting: 0, flags: fdflags };
}

function entryFunctions({ memory, tree }: Preview1State, locate: Locate): Preview1Functions {
  return {
    /**
     * WASI Preview 1, `path_filestat_get`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_filestat_get
     */
    path_filestat_get: oftenFailing((fd: number, lookup: number, pointer: number, length: number, out: number) => {
      const at = locate(fd, RIGHT.PATH_FILESTAT_GET, pointer, length);
      setFilestat(memory, out, tree.stat(at, lastLink(lookup)));
    }),
    /**
     * WASI Preview 1, `path_filestat_set_times`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_filestat_set_times
     */
    path_filestat_set_times: oftenFailing(
      (fd: number, lookup: number, pointer: number, length: number, atime: bigint, mtime: bigint, flags: number) => {
        const at = locate(fd, RIGHT.PATH_FILESTAT_SET_TIMES, pointer, length);
        tree.setTimes(at, lastLink(lookup), newTimes(atime, mtime, flags));
      },
    ),
    /**
     * WASI Preview 1, `path_readlink`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_readlink
     * What does not fit is cut off.
     */
    path_readlink: oftenFailing(
      (fd: number, pointer: number, length: number, buffer: number, size: number, out: number) => {
        const at = locate(fd, RIGHT.PATH_READLINK, pointer, length);
        const view = memory.view(buffer, size);
        memory.check(out, 4);
        const text = Buffer.from(tree.readLink(at)).subarray(0, view.length);
        view.set(text);
        memory.setU32(out, text.length);
      },
    ),
  };
}

function changeFunctions({ memory, tree }: Preview1State, locate: Locate): Preview1Functions {
  return {
    /**
     * WASI Preview 1, `path_create_directory`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_create_directory
     */
    path_create_directory: oftenFailing((fd: number, pointer: number, length: number) =>
      tree.createDirectory(locate(fd, RIGHT.PATH_CREATE_DIRECTORY, pointer, length)),
    ),
    /**
     * WASI Preview 1, `path_remove_directory`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_remove_directory
     */
    path_remove_directory: oftenFailing((fd: number, pointer: number, length: number) =>
      tree.removeDirectory(locate(fd, RIGHT.PATH_REMOVE_DIRECTORY, pointer, length)),
    ),
    /**
     * WASI Preview 1, `path_unlink_file`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_unlink_file
     */
    path_unlink_file: oftenFailing((fd: number, pointer: number, length: number) =>
      tree.unlink(locate(fd, RIGHT.PATH_UNLINK_FILE, pointer, length)),
    ),
    /**
     * WASI Preview 1, `path_link`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_link
     * A link at the end is itself linked; to follow it is EINVAL, as in wasmtime.
     */
    path_link: oftenFailing(
      (
        fd: number,
        lookup: number,
        pointer: number,
        length: number,
        toFd: number,
        toPointer: number,
        toLength: number,
      ) => {
        const from = locate(fd, RIGHT.PATH_LINK_SOURCE, pointer, length);
        const to = locate(toFd, RIGHT.PATH_LINK_TARGET, toPointer, toLength);
        if ((lookup & LOOKUP_FOLLOW) !== 0) throw new PosixError('EINVAL');
        tree.link(from, to);
      },
    ),
    /**
     * WASI Preview 1, `path_rename`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_rename
     */
    path_rename: oftenFailing(
      (fd: number, pointer: number, length: number, toFd: number, toPointer: number, toLength: number) => {
        const from = locate(fd, RIGHT.PATH_RENAME_SOURCE, pointer, length);
        tree.rename(from, locate(toFd, RIGHT.PATH_RENAME_TARGET, toPointer, toLength));
      },
    ),
    /**
     * WASI Preview 1, `path_symlink`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#path_symlink
     */
    path_symlink: oftenFailing((target: number, targetLength: number, fd: number, pointer: number, length: number) => {
      const at = locate(fd, RIGHT.PATH_SYMLINK, pointer, length);
      tree.symlink(pathOf(memory, target, targetLength), at);
    }),
  };
}

/** The functions that take a path, relative to a directory's descriptor. */
export function pathFunctions(state: Preview1State): Preview1Functions {
  const locate = locator(state);
  return { ...pathOpen(state), ...entryFunctions(state, locate), ...changeFunctions(state, locate) };
}

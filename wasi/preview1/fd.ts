import type { WriteMode } from '../core/files/regular-file.ts';
import type { FileStat, FileType } from '../core/files/stat.ts';
import { PosixError } from '../core/posix-error.ts';
import { FDFLAG, FILETYPE, RIGHT, rightsFrom } from './abi.ts';
import { closeDescriptor, directoryOf, fileOf, requireRights, type Descriptor } from './descriptor.ts';
import { newTimes, setFilestat } from './filestat.ts';
import { plain, type Preview1Functions } from './function.ts';
import type { Preview1State } from './state.ts';

const ALL_FDFLAGS = FDFLAG.APPEND | FDFLAG.DSYNC | FDFLAG.NONBLOCK | FDFLAG.RSYNC | FDFLAG.SYNC;
const LAST_ADVICE = 5;
const FDSTAT_SIZE = 24;
const PRESTAT_SIZE = 8;
/** `preopentype`: the specification knows 0, a directory. */
const PREOPEN_SOCKET = 1;

/** @throws PosixError EINVAL for flags that the specification does not know */
export function writeModeOf(flags: number): WriteMode {
  if ((flags & ~ALL_FDFLAGS) !== 0) throw new PosixError('EINVAL');
  return {
    append: (flags & FDFLAG.APPEND) !== 0,
    dsync: (flags & FDFLAG.DSYNC) !== 0,
    sync: (flags & (FDFLAG.SYNC | FDFLAG.RSYNC)) !== 0,
  };
}

function typeOf({ object }: Descriptor): FileType {
  if (object.kind === 'socket') return 'socket';
  if (object.kind === 'directory') return 'directory';
  if (object.kind === 'file') return object.hostPath === undefined ? object.stat().type : 'file';
  return object.tty ? 'character' : 'unknown';
}

/** As `filetype`, where datagrams have a number of their own. */
const filetypeOf = (descriptor: Descriptor): number =>
  descriptor.object.kind === 'socket' && descriptor.object.type === 'datagram'
    ? FILETYPE.datagram
    : FILETYPE[typeOf(descriptor)];

export function statOf(descriptor: Descriptor): FileStat {
  const { object } = descriptor;
  if (object.kind === 'file' || object.kind === 'directory') return object.stat();
  const type = typeOf(descriptor);
  return { dev: 0n, ino: 0n, type, nlink: 1n, size: 0n, atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n };
}

function setFlags(descriptor: Descriptor, flags: number): void {
  const { object } = descriptor;
  const mode = writeModeOf(flags);
  if (object.kind === 'input' || object.kind === 'socket') object.nonblocking = (flags & FDFLAG.NONBLOCK) !== 0;
  if (object.kind === 'file' && flags !== descriptor.flags) object.setMode(mode);
  descriptor.flags = flags;
}

function sync(descriptor: Descriptor, right: number): void {
  requireRights(descriptor, right);
  const { object } = descriptor;
  if (object.kind === 'directory') object.sync();
  if (object.kind !== 'file') return;
  if (right === RIGHT.FD_DATASYNC) object.dataSync();
  else object.sync();
}

function preopenOf(descriptor: Descriptor): string {
  if (descriptor.preopen === undefined) throw new PosixError('EBADF');
  return descriptor.preopen;
}

function tableFunctions({ memory, descriptors }: Preview1State): Preview1Functions {
  return {
    /**
     * WASI Preview 1, `fd_close`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_close
     */
    fd_close: plain((fd: number) => closeDescriptor(descriptors.remove(fd))),
    /**
     * WASI Preview 1, `fd_renumber`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_renumber
     * Both must be open.
     */
    fd_renumber: plain((from: number, to: number) => {
      const replaced = descriptors.renumber(from, to);
      if (replaced !== undefined) closeDescriptor(replaced);
    }),
    /**
     * WASI Preview 1, `fd_prestat_get`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_prestat_get
     * EBADF, which ends the guest's search, for what is no preopen. A socket that
     * listens from the start is one without being a directory: wasi-libc and Go pass over a tag they do not know.
     */
    fd_prestat_get: plain((fd: number, out: number) => {
      const descriptor = descriptors.get(fd);
      if (descriptor.declared === true) {
        memory.setU64(out, BigInt(PREOPEN_SOCKET));
        return;
      }
      const name = preopenOf(descriptor);
      memory.check(out, PRESTAT_SIZE);
      memory.setU32(out, 0);
      memory.setU32((out >>> 0) + 4, Buffer.byteLength(name));
    }),
    /**
     * WASI Preview 1, `fd_prestat_dir_name`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_prestat_dir_name
     */
    fd_prestat_dir_name: plain((fd: number, pointer: number, length: number) => {
      const name = Buffer.from(preopenOf(descriptors.get(fd)));
      if (length >>> 0 < name.length) throw new PosixError('ENAMETOOLONG');
      memory.setBytes(pointer, name);
    }),
  };
}

function fdstatFunctions({ memory, descriptors }: Preview1State): Preview1Functions {
  return {
    /**
     * WASI Preview 1, `fd_fdstat_get`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_get
     */
    fd_fdstat_get: plain((fd: number, out: number) => {
      const descriptor = descriptors.get(fd);
      memory.check(out, FDSTAT_SIZE);
      const at = out >>> 0;
      memory.setU16(at, filetypeOf(descriptor));
      memory.setU16(at + 2, descriptor.flags);
      memory.setU32(at + 4, 0);
      memory.setU64(at + 8, BigInt(descriptor.rightsBase));
      memory.setU64(at + 16, BigInt(descriptor.rightsInheriting));
    }),
    /**
     * WASI Preview 1, `fd_fdstat_set_flags`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_set_flags
     */
    fd_fdstat_set_flags: plain((fd: number, flags: number) => {
      const descriptor = descriptors.get(fd);
      requireRights(descriptor, RIGHT.FD_FDSTAT_SET_FLAGS);
      setFlags(descriptor, flags);
    }),
    /**
     * WASI Preview 1, `fd_fdstat_set_rights`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_fdstat_set_rights
     * Rights can only be given up.
     */
    fd_fdstat_set_rights: plain((fd: number, baseBits: bigint, inheritingBits: bigint) => {
      const descriptor = descriptors.get(fd);
      const base = rightsFrom(baseBits);
      const inheriting = rightsFrom(inheritingBits);
      if ((base & ~descriptor.rightsBase) !== 0 || (inheriting & ~descriptor.rightsInheriting) !== 0) {
        throw new PosixError('ENOTCAPABLE');
      }
      descriptor.rightsBase = base;
      descriptor.rightsInheriting = inheriting;
    }),
  };
}

function fileFunctions({ memory, descriptors }: Preview1State): Preview1Functions {
  return {
    /**
     * WASI Preview 1, `fd_advise`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_advise
     * Advice is taken note of by doing nothing, which is always right.
     */
    fd_advise: plain((fd: number, _offset: bigint, length: bigint, advice: number) => {
      fileOf(descriptors.get(fd), RIGHT.FD_ADVISE);
      if (advice < 0 || advice > LAST_ADVICE || length < 0n) throw new PosixError('EINVAL');
    }),
    /**
     * WASI Preview 1, `fd_allocate`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_allocate
     * Makes the file long enough; does not reserve space.
     */
    fd_allocate: plain((fd: number, offset: bigint, length: bigint) => {
      const file = fileOf(descriptors.get(fd), RIGHT.FD_ALLOCATE);
      if (length === 0n) throw new PosixError('EINVAL');
      file.extend(BigInt.asUintN(64, offset) + BigInt.asUintN(64, length));
    }),
    /**
     * WASI Preview 1, `fd_datasync`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_datasync
     */
    fd_datasync: plain((fd: number) => sync(descriptors.get(fd), RIGHT.FD_DATASYNC)),
    /**
     * WASI Preview 1, `fd_sync`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_sync
     */
    fd_sync: plain((fd: number) => sync(descriptors.get(fd), RIGHT.FD_SYNC)),
    /**
     * WASI Preview 1, `fd_filestat_get`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_get
     */
    fd_filestat_get: plain((fd: number, out: number) => {
      const descriptor = descriptors.get(fd);
      requireRights(descriptor, RIGHT.FD_FILESTAT_GET);
      setFilestat(memory, out, statOf(descriptor));
    }),
    /**
     * WASI Preview 1, `fd_filestat_set_size`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_set_size
     */
    fd_filestat_set_size: plain((fd: number, size: bigint) =>
      fileOf(descriptors.get(fd), RIGHT.FD_FILESTAT_SET_SIZE).setSize(BigInt.asUintN(64, size)),
    ),
    /**
     * WASI Preview 1, `fd_filestat_set_times`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_filestat_set_times
     */
    fd_filestat_set_times: plain((fd: number, atime: bigint, mtime: bigint, flags: number) => {
      const times = newTimes(atime, mtime, flags);
      const descriptor = descriptors.get(fd);
      const { object } = descriptor;
      if (object.kind !== 'file' && object.kind !== 'directory') throw new PosixError('EBADF');
      requireRights(descriptor, RIGHT.FD_FILESTAT_SET_TIMES);
      object.setTimes(times);
    }),
  };
}

const DIRENT_SIZE = 24;

function readdirFunctions({ memory, descriptors }: Preview1State): Preview1Functions {
  return {
    /**
     * WASI Preview 1, `fd_readdir`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_readdir
     * A cookie is a place in the list that was made when the directory was last read from
     * cookie 0, so entries that come and go meanwhile make none appear twice or be left out. The last entry is cut off
     * where the buffer ends; a buffer that is not filled tells that the list is at its end.
     */
    fd_readdir: plain((fd: number, pointer: number, length: number, cookie: bigint, out: number) => {
      const descriptor = descriptors.get(fd);
      const directory = directoryOf(descriptor, RIGHT.FD_READDIR);
      const buffer = memory.view(pointer, length);
      memory.check(out, 4);
      if (cookie === 0n || descriptor.listing === undefined) descriptor.listing = directory.list();
      let used = 0;
      let index = Number(BigInt.asUintN(64, cookie));
      for (let entry = descriptor.listing[index]; entry !== undefined; entry = descriptor.listing[++index]) {
        if (used === buffer.length) break;
        const name = Buffer.from(entry.name);
        const dirent = Buffer.alloc(DIRENT_SIZE + name.length);
        dirent.writeBigUInt64LE(BigInt(index + 1), 0);
        dirent.writeBigUInt64LE(directory.inoOf(entry.name), 8);
        dirent.writeUInt32LE(name.length, 16);
        dirent.writeUInt8(FILETYPE[entry.type], 20);
        name.copy(dirent, DIRENT_SIZE);
        const part = dirent.subarray(0, buffer.length - used);
        buffer.set(part, used);
        used += part.length;
      }
      memory.setU32(out, used);
    }),
  };
}

/** The functions on descriptors, except those that move data (io.ts). */
export const fdFunctions = (state: Preview1State): Preview1Functions => ({
  ...tableFunctions(state),
  ...fdstatFunctions(state),
  ...fileFunctions(state),
  ...readdirFunctions(state),
});

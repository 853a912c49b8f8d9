import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { posixImports } from '../posix/index.ts';
import type { InputSource, SignalSource, WasiContext, WasiIdentity, WasiMount, WasiNetwork } from '../wasi.ts';
import { INHERITED_RIGHTS, LOOKUP_FOLLOW, OFLAG, RIGHT } from './abi.ts';
import { errnoNumber } from './errno.ts';
import { createPreview1, type Preview1, type Preview1Functions } from './index.ts';

/** For tests: where a TestGuest lays things in its memory. */
const PATH = 1024;
const PATH2 = 8192;
const BUFFER = 16_384;
const OUT = 512;
const IOVEC = 256;

type Arg = number | bigint;
type Func = (...args: Arg[]) => number | Promise<number>;

/** A temporary folder that is removed when disposed. */
export class Sandbox {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), 'wasi-test-')));

  folder(name: string): string {
    mkdirSync(join(this.path, name), { recursive: true });
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export interface TestGuestOptions {
  readonly root: string;
  readonly mounts?: readonly WasiMount[];
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  readonly workingDir?: string;
  readonly stdin?: InputSource;
  readonly tty?: boolean;
  readonly readonlyRoot?: boolean;
  readonly systemFiles?: boolean;
  readonly identity?: WasiIdentity;
  readonly hostname?: string;
  readonly signals?: SignalSource;
  readonly network?: WasiNetwork;
}

/** For tests: a guest without Wasm, that calls the functions as one would, over a memory of one page. */
export class TestGuest {
  readonly memory = new DataView(new ArrayBuffer(65_536));
  readonly bytes = new Uint8Array(this.memory.buffer);
  readonly written: string[] = [];
  readonly wasi: Preview1;
  readonly #functions: Preview1Functions;

  constructor({ root, mounts, args, env, workingDir, stdin, tty, ...others }: TestGuestOptions) {
    const sink = { write: (chunk: Uint8Array) => void this.written.push(Buffer.from(chunk).toString()) };
    const context: WasiContext = {
      args: args ?? [],
      env: env ?? [],
      root,
      workingDir: workingDir ?? '/',
      mounts: mounts ?? [],
      stdin: stdin ?? { read: () => new Uint8Array(0) },
      stdout: sink,
      stderr: sink,
      tty: tty ?? false,
      ...others,
    };
    this.wasi = createPreview1(context);
    this.#functions = {
      ...this.wasi.imports.wasi_snapshot_preview1,
      ...posixImports(this.wasi.state).wasmlet_posix_v1,
    };
    this.wasi.setMemory({ buffer: this.memory.buffer });
  }

  /** Calls a function that does not wait; returns the errno's POSIX name, or 'ok'. */
  call(name: string, ...args: Arg[]): string {
    const errno = this.raw(name, ...args);
    if (typeof errno !== 'number') throw new Error(`${name} waits`);
    return errnoName(errno);
  }

  async wait(name: string, ...args: Arg[]): Promise<string> {
    return errnoName(await this.raw(name, ...args));
  }

  raw(name: string, ...args: Arg[]): number | Promise<number> {
    const found = this.#functions[name];
    if (found === undefined) throw new Error(`no function ${name}`);
    return (found.call as Func)(...args);
  }

  u32 = (at = OUT): number => this.memory.getUint32(at, true);
  u64 = (at = OUT): bigint => this.memory.getBigUint64(at, true);

  put(text: string, at = PATH): [pointer: number, length: number] {
    const encoded = Buffer.from(text);
    this.bytes.set(encoded, at);
    return [at, encoded.length];
  }

  text(length: number, at = BUFFER): string {
    return Buffer.from(this.bytes.subarray(at, at + length)).toString();
  }

  /** Opens a file with all rights to read and write (or as `how` says); returns the descriptor or an errno. */
  open(
    path: string,
    how: { fd?: number; oflags?: number; rights?: number; fdflags?: number; nofollow?: boolean } = {},
  ) {
    const { fd = 3, oflags = 0, rights = INHERITED_RIGHTS & ~RIGHT.FD_WRITE, fdflags = 0, nofollow = false } = how;
    const lookup = nofollow ? 0 : LOOKUP_FOLLOW;
    const inheriting = BigInt(INHERITED_RIGHTS);
    const result = this.call(
      'path_open',
      fd,
      lookup,
      ...this.put(path),
      oflags,
      BigInt(rights),
      inheriting,
      fdflags,
      OUT,
    );
    return result === 'ok' ? this.u32() : result;
  }

  /** Opens, and throws where that fails. */
  mustOpen(path: string, how: Parameters<TestGuest['open']>[1] = {}): number {
    const fd = this.open(path, how);
    if (typeof fd !== 'number') throw new Error(`open ${path}: ${fd}`);
    return fd;
  }

  create(path: string, content = ''): string {
    const fd = this.open(path, { oflags: OFLAG.CREAT | OFLAG.TRUNC, rights: INHERITED_RIGHTS });
    if (typeof fd !== 'number') return fd;
    const result = this.write(fd, content);
    this.call('fd_close', fd);
    return result;
  }

  iovec(pointer: number, length: number, at = IOVEC): [pointer: number, count: number] {
    this.memory.setUint32(at, pointer, true);
    this.memory.setUint32(at + 4, length, true);
    return [at, 1];
  }

  write(fd: number, text: string): string {
    return this.call('fd_write', fd, ...this.iovec(...this.put(text, BUFFER)), OUT);
  }

  /** What a file holds from its position on, or an errno. */
  read(fd: number, length = 4096): string {
    const result = this.call('fd_read', fd, ...this.iovec(BUFFER, length), OUT);
    return result === 'ok' ? this.text(this.u32()) : result;
  }

  /** Opens, reads and closes: the content, or an errno. */
  readFile(path: string, how: Parameters<TestGuest['open']>[1] = {}): string {
    const fd = this.open(path, how);
    if (typeof fd !== 'number') return fd;
    const content = this.read(fd);
    this.call('fd_close', fd);
    return content;
  }

  path(name: string, path: string, fd = 3): string {
    return this.call(name, fd, ...this.put(path));
  }

  symlink(target: string, path: string): string {
    return this.call('path_symlink', ...this.put(target, PATH2), 3, ...this.put(path));
  }

  link(from: string, to: string): string {
    return this.call('path_link', 3, 0, ...this.put(from), 3, ...this.put(to, PATH2));
  }

  rename(from: string, to: string): string {
    return this.call('path_rename', 3, ...this.put(from), 3, ...this.put(to, PATH2));
  }

  /** Type and size, or an errno. */
  stat(path: string, follow = true): string | { type: number; size: number; ino: bigint } {
    const result = this.call('path_filestat_get', 3, follow ? 1 : 0, ...this.put(path), OUT);
    if (result !== 'ok') return result;
    return { type: this.bytes[OUT + 16] ?? -1, size: Number(this.u64(OUT + 32)), ino: this.u64(OUT + 8) };
  }

  /** The names in a directory, in order, read with a small buffer; or an errno. */
  list(path: string, bufferSize = 100): string[] | string {
    const fd = this.open(path, { oflags: OFLAG.DIRECTORY });
    if (typeof fd !== 'number') return fd;
    const names: string[] = [];
    for (let cookie = 0n, used = bufferSize; used === bufferSize;) {
      const result = this.call('fd_readdir', fd, BUFFER, bufferSize, cookie, OUT);
      if (result !== 'ok') return result;
      used = this.u32();
      for (let at = BUFFER; at + 24 <= BUFFER + used;) {
        const length = this.u32(at + 16);
        if (at + 24 + length > BUFFER + used) break;
        names.push(this.text(length, at + 24));
        cookie = this.u64(at);
        at += 24 + length;
      }
    }
    this.call('fd_close', fd);
    return names.sort();
  }

  [Symbol.dispose](): void {
    this.wasi[Symbol.dispose]();
  }
}

const ERRNO_NAMES = new Map(
  (
    'E2BIG EACCES EAGAIN EBADF EBUSY EEXIST EFAULT EILSEQ EINTR EINVAL EISDIR ELOOP EMFILE ENAMETOOLONG ENOENT ENOTCAPABLE ENOTDIR ENOTEMPTY ENOTSOCK ENOTSUP EPERM EPIPE EROFS ESPIPE ESRCH EXDEV ENOSPC ENXIO EIO EFBIG ' +
    'EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EALREADY ECONNREFUSED ECONNRESET EDESTADDRREQ EINPROGRESS EISCONN EMSGSIZE ' +
    'ENETUNREACH ENOPROTOOPT ENOTCONN EPROTONOSUPPORT ETIMEDOUT'
  )
    .split(' ')
    .map((name) => [errnoNumber(name), name]),
);

const errnoName = (errno: number): string => (errno === 0 ? 'ok' : (ERRNO_NAMES.get(errno) ?? `errno ${errno}`));

// As c/work.c, by WASI's calls themselves, of which AssemblyScript has none built in: work FOLDER [ARGUMENT...]; work trap

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "args_sizes_get")
declare function args_sizes_get(count: usize, size: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "args_get")
declare function args_get(pointers: usize, buffer: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "environ_sizes_get")
declare function environ_sizes_get(count: usize, size: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "environ_get")
declare function environ_get(pointers: usize, buffer: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "clock_time_get")
declare function clock_time_get(clock: u32, precision: u64, time: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "poll_oneoff")
declare function poll_oneoff(subscriptions: usize, events: usize, count: u32, happened: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "random_get")
declare function random_get(buffer: usize, length: u32): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_prestat_get")
declare function fd_prestat_get(fd: u32, prestat: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_prestat_dir_name")
declare function fd_prestat_dir_name(fd: u32, path: usize, length: u32): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: u32, vectors: usize, count: u32, written: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_read")
declare function fd_read(fd: u32, vectors: usize, count: u32, read: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_seek")
declare function fd_seek(fd: u32, offset: i64, whence: u32, position: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_close")
declare function fd_close(fd: u32): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_readdir")
declare function fd_readdir(fd: u32, buffer: usize, length: u32, cookie: u64, used: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_open")
declare function path_open(
  fd: u32, lookup: u32, path: usize, length: u32, oflags: u32, base: u64, inheriting: u64, fdflags: u32, opened: usize,
): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_create_directory")
declare function path_create_directory(fd: u32, path: usize, length: u32): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_remove_directory")
declare function path_remove_directory(fd: u32, path: usize, length: u32): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_unlink_file")
declare function path_unlink_file(fd: u32, path: usize, length: u32): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_rename")
declare function path_rename(fd: u32, from: usize, fromLength: u32, newFd: u32, to: usize, toLength: u32): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_filestat_get")
declare function path_filestat_get(fd: u32, lookup: u32, path: usize, length: u32, status: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: u32): void;

const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
const ENOENT: u32 = 44;
const CREATE: u32 = 1;
const DIRECTORY: u32 = 2;
const APPEND: u32 = 1;
const READ: u64 = (1 << 1) | (1 << 2) | (1 << 14);
const WRITE: u64 = 1 << 6;
/** All rights of Preview 1 but to write, which a folder itself is not. */
const FOLDER: u64 = 0x1fffffff & ~WRITE;
const TYPE_DIRECTORY: u8 = 3;
const PREOPEN: u32 = 3;

const scratch = memory.data(256);

/** What AssemblyScript calls when an assertion fails or memory is exhausted. */
export function abort(_message: usize, _file: usize, _line: u32, _column: u32): void {
  proc_exit(255);
}

function check(errno: u32): void {
  if (errno != 0) proc_exit(100 + errno);
}

function write(fd: u32, text: string): void {
  const bytes = String.UTF8.encode(text);
  store<usize>(scratch, changetype<usize>(bytes));
  store<usize>(scratch, bytes.byteLength, 4);
  check(fd_write(fd, scratch, 1, scratch + 8));
}

function yes(is: bool): string {
  return is ? "yes" : "no";
}

/** The texts that a list of pointers leads to, each ended by a zero. */
function texts(count: u32, pointers: ArrayBuffer): string[] {
  const result: string[] = [];
  for (let i: u32 = 0; i < count; i++) {
    const text = load<usize>(changetype<usize>(pointers) + i * 4);
    let length: usize = 0;
    while (load<u8>(text + length) != 0) length++;
    result.push(String.UTF8.decodeUnsafe(text, length));
  }
  return result;
}

function args(): string[] {
  check(args_sizes_get(scratch, scratch + 4));
  const count = load<u32>(scratch);
  const pointers = new ArrayBuffer(<i32>count * 4);
  const buffer = new ArrayBuffer(load<u32>(scratch, 4));
  check(args_get(changetype<usize>(pointers), changetype<usize>(buffer)));
  return texts(count, pointers);
}

function variable(name: string): string {
  check(environ_sizes_get(scratch, scratch + 4));
  const count = load<u32>(scratch);
  const pointers = new ArrayBuffer(<i32>count * 4);
  const buffer = new ArrayBuffer(load<u32>(scratch, 4));
  check(environ_get(changetype<usize>(pointers), changetype<usize>(buffer)));
  const list = texts(count, pointers);
  for (let i = 0; i < list.length; i++) {
    if (list[i].startsWith(name + "=")) return list[i].substring(name.length + 1);
  }
  return "";
}

function now(clock: u32): u64 {
  check(clock_time_get(clock, 1, scratch));
  return load<u64>(scratch);
}

function sleep(nanoseconds: u64): void {
  const subscription = new ArrayBuffer(48);
  const event = new ArrayBuffer(32);
  const at = changetype<usize>(subscription);
  store<u32>(at, MONOTONIC, 16);
  store<u64>(at, nanoseconds, 24);
  check(poll_oneoff(at, changetype<usize>(event), 1, scratch));
}

function clocks(): void {
  const begin = now(MONOTONIC);
  sleep(5_000_000);
  const slept = now(MONOTONIC) - begin >= 5_000_000;
  const past = now(REALTIME) / 1_000_000_000 > 1577836800;
  write(1, `clocks: past 2020 ${yes(past)}, slept ${yes(slept)}\n`);
}

function randoms(): void {
  const bytes = new Uint8Array(64);
  check(random_get(bytes.dataStart, 32));
  check(random_get(bytes.dataStart + 32, 32));
  write(1, `random: differs ${yes(memory.compare(bytes.dataStart, bytes.dataStart + 32, 32) != 0)}\n`);
}

function sorting(): void {
  const numbers = new Array<u32>(10000);
  let state: u32 = 1;
  for (let i = 0; i < numbers.length; i++) {
    state = state * 1664525 + 1013904223;
    numbers[i] = state;
  }
  numbers.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  let hash: u32 = 2166136261;
  for (let i = 0; i < numbers.length; i++) hash = (hash ^ numbers[i]) * 16777619;
  const digits = hash.toString(16).padStart(8, "0");
  write(1, `sorted: ${numbers[0]} ${numbers[numbers.length / 2]} ${numbers[numbers.length - 1]} ${digits}\n`);
}

/** A number above 0 with so many digits after the point. */
function fixed(value: f64, digits: i32): string {
  const text = (<u64>Math.round(value * 10.0 ** digits)).toString().padStart(digits + 1, "0");
  return text.substring(0, text.length - digits) + "." + text.substring(text.length - digits);
}

function floats(): void {
  let sum: f64 = 0;
  for (let i: f64 = 1; i <= 10000; i++) sum += Math.sqrt(i) / (i * i);
  write(1, `floats: ${fixed(sum, 12)} ${fixed(Math.sin(1) * Math.exp(1), 6)}\n`);
}

/** The folder relative to the one that was opened for the guest. */
function relative(folder: string): string {
  check(fd_prestat_get(PREOPEN, scratch));
  const length = load<u32>(scratch, 4);
  const name = new ArrayBuffer(length);
  check(fd_prestat_dir_name(PREOPEN, changetype<usize>(name), length));
  let rest = folder.substring(String.UTF8.decode(name).length);
  while (rest.startsWith("/")) rest = rest.substring(1);
  return rest.length == 0 ? "." : rest;
}

function open(folder: u32, path: string, oflags: u32, rights: u64, fdflags: u32): u32 {
  const name = String.UTF8.encode(path);
  check(path_open(folder, 1, changetype<usize>(name), name.byteLength, oflags, rights, rights, fdflags, scratch));
  return load<u32>(scratch);
}

function writeFile(folder: u32, path: string, fdflags: u32, text: string): void {
  const file = open(folder, path, CREATE, WRITE, fdflags);
  write(file, text);
  check(fd_close(file));
}

function list(folder: u32): string[] {
  const buffer = new ArrayBuffer(4096);
  const begin = changetype<usize>(buffer);
  check(fd_readdir(folder, begin, buffer.byteLength, 0, scratch));
  const end = begin + load<u32>(scratch);
  const names: string[] = [];
  for (let at = begin; at < end; at += 24 + load<u32>(at, 16)) {
    const name = String.UTF8.decodeUnsafe(at + 24, load<u32>(at, 16));
    if (!name.startsWith(".")) names.push(name + (load<u8>(at, 20) == TYPE_DIRECTORY ? "/" : ""));
  }
  return names.sort();
}

function files(path: string): void {
  const folder = open(PREOPEN, relative(path), DIRECTORY, FOLDER, 0);
  const c = String.UTF8.encode("c");
  const old = String.UTF8.encode("c/old.txt");
  const a = String.UTF8.encode("a.txt");
  const b = String.UTF8.encode("b.txt");
  const missing = String.UTF8.encode("missing");
  check(path_create_directory(folder, changetype<usize>(c), c.byteLength));
  writeFile(folder, "b.txt", 0, "first line\n");
  writeFile(folder, "b.txt", APPEND, "second line\n");
  writeFile(folder, "c/old.txt", 0, "0123456789");
  check(path_rename(folder, changetype<usize>(old), old.byteLength, folder, changetype<usize>(a), a.byteLength));
  write(1, `folder: ${list(folder).join(" ")}\n`);
  const file = open(folder, "a.txt", 0, READ, 0);
  check(fd_seek(file, 3, 0, scratch));
  const text = new ArrayBuffer(4);
  store<usize>(scratch, changetype<usize>(text));
  store<usize>(scratch, text.byteLength, 4);
  check(fd_read(file, scratch, 1, scratch + 8));
  check(fd_close(file));
  const absent = path_filestat_get(folder, 1, changetype<usize>(missing), missing.byteLength, scratch) == ENOENT;
  check(path_filestat_get(folder, 1, changetype<usize>(b), b.byteLength, scratch));
  const size = load<u64>(scratch, 32);
  write(1, `files: ${size} bytes, reads ${String.UTF8.decode(text)}, missing ${yes(absent)}\n`);
  check(path_remove_directory(folder, changetype<usize>(c), c.byteLength));
  check(path_unlink_file(folder, changetype<usize>(a), a.byteLength));
}

export function _start(): void {
  const list = args();
  if (list.length < 2) proc_exit(2);
  if (list[1] == "trap") unreachable();
  let line = "arguments:";
  for (let i = 2; i < list.length; i++) line += " [" + list[i] + "]";
  write(1, line + "\nGREETING: " + variable("GREETING") + "\n");
  clocks();
  randoms();
  sorting();
  floats();
  files(list[1]);
  write(2, "to standard error\n");
  proc_exit(3);
}

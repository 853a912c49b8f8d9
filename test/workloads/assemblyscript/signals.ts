// Waits until it is stopped, then cleans up and exits with 0.

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "path_open")
declare function path_open(dir: u32, lookup: u32, path: usize, length: usize, oflags: u32, rights: u64, inheriting: u64, fdflags: u32, fd: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_read")
declare function fd_read(fd: u32, iovs: usize, iovs_len: usize, nread: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: u32, iovs: usize, iovs_len: usize, nwritten: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: u32): void;

const ROOT: u32 = 3;
const FD_READ: u64 = 1 << 1;
const scratch = memory.data(16);
const signal = memory.data(4);

function print(line: string): void {
  const bytes = String.UTF8.encode(line + "\n");
  store<usize>(scratch, changetype<usize>(bytes));
  store<usize>(scratch, bytes.byteLength, 4);
  if (fd_write(1, scratch, 1, scratch + 8) != 0) proc_exit(1);
}

function openSignals(): u32 {
  const path = String.UTF8.encode("dev/signal");
  if (path_open(ROOT, 1, changetype<usize>(path), path.byteLength, 0, FD_READ, 0, 0, scratch) != 0) proc_exit(1);
  return load<u32>(scratch);
}

/** Waits for the next signal. */
function nextSignal(fd: u32): u32 {
  store<usize>(scratch, signal);
  store<usize>(scratch, 4, 4);
  if (fd_read(fd, scratch, 1, scratch + 8) != 0) proc_exit(1);
  return load<u32>(signal);
}

export function abort(_message: usize, _file: usize, _line: u32, _column: u32): void {
  proc_exit(255);
}

export function _start(): void {
  const signals = openSignals();
  print("ready");
  print("signal " + nextSignal(signals).toString() + ": cleaning up");
}

// Greets, shows its arguments, and exits with 0, by WASI's own calls: AssemblyScript has none built in.

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: u32, iovs: usize, iovs_len: usize, nwritten: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "args_sizes_get")
declare function args_sizes_get(count: usize, size: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "args_get")
declare function args_get(argv: usize, buffer: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "environ_sizes_get")
declare function environ_sizes_get(count: usize, size: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "environ_get")
declare function environ_get(environ: usize, buffer: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(code: u32): void;

type Sizes = (count: usize, size: usize) => u32;
type Get = (pointers: usize, buffer: usize) => u32;

const scratch = memory.data(16);

function print(line: string): void {
  const bytes = String.UTF8.encode(line + "\n");
  store<usize>(scratch, changetype<usize>(bytes));
  store<usize>(scratch, bytes.byteLength, 4);
  if (fd_write(1, scratch, 1, scratch + 8) != 0) proc_exit(1);
}

/** Arguments and environment come in the same form: pointers to texts that end with a zero. */
function texts(sizes: Sizes, get: Get): string[] {
  if (sizes(scratch, scratch + 4) != 0) proc_exit(1);
  const count = load<u32>(scratch);
  const pointers = new ArrayBuffer(<i32>count * 4);
  const buffer = new ArrayBuffer(load<u32>(scratch, 4));
  if (get(changetype<usize>(pointers), changetype<usize>(buffer)) != 0) proc_exit(1);
  const result: string[] = [];
  for (let i: u32 = 0; i < count; i++) {
    const text = load<usize>(changetype<usize>(pointers) + i * 4);
    let length: usize = 0;
    while (load<u8>(text + length) != 0) length++;
    result.push(String.UTF8.decodeUnsafe(text, length));
  }
  return result;
}

/** What AssemblyScript calls when an assertion fails or memory is exhausted. */
export function abort(_message: usize, _file: usize, _line: u32, _column: u32): void {
  proc_exit(255);
}

export function _start(): void {
  let who = "";
  const environment = texts((count, size) => environ_sizes_get(count, size), (pointers, buffer) => environ_get(pointers, buffer));
  for (let i = 0; i < environment.length; i++) {
    if (environment[i].startsWith("GREET=")) who = environment[i].substring(6);
  }
  print("Hello, " + who + "! I am AssemblyScript.");
  const list = texts((count, size) => args_sizes_get(count, size), (pointers, buffer) => args_get(pointers, buffer));
  for (let i = 1; i < list.length; i++) print("argument " + i.toString() + ": " + list[i]);
}

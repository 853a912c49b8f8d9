/** Guests in WebAssembly text, for tests. */

const IMPORTS = {
  fd_write: '(func $fd_write (import "wasi_snapshot_preview1" "fd_write") (param i32 i32 i32 i32) (result i32))',
  proc_exit: '(func $proc_exit (import "wasi_snapshot_preview1" "proc_exit") (param i32))',
  poll: '(func $poll (import "wasi_snapshot_preview1" "poll_oneoff") (param i32 i32 i32 i32) (result i32))',
};

/** Writes text once; `then` is what it does after that. */
export const prints = (text: string, then = '', stream = 1): string => `(module
  ${IMPORTS.fd_write}
  ${IMPORTS.proc_exit}
  (memory (export "memory") 1)
  (data (i32.const 100) ${JSON.stringify(text).replaceAll('\\n', '\\0a')})
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 100))
    (i32.store (i32.const 4) (i32.const ${Buffer.byteLength(text)}))
    (drop (call $fd_write (i32.const ${stream}) (i32.const 0) (i32.const 1) (i32.const 8)))
    ${then}))`;

export const exits = (code: number): string => prints('', `(call $proc_exit (i32.const ${code}))`);

/** Computes for ever: the event loop of its host never turns. */
export const SPINS = prints('spinning\n', '(loop $again (br $again))');

export const TRAPS = `(module
  (memory (export "memory") 1)
  (func $innermost unreachable)
  (func $middle (call $innermost))
  (func (export "_start") (call $middle)))`;

/** Sleeps for an hour. */
export const SLEEPS = `(module
  ${IMPORTS.poll}
  (memory (export "memory") 1)
  (func (export "_start")
    (i64.store (i32.const 0) (i64.const 7))
    (i32.store8 (i32.const 8) (i32.const 0))
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 3600000000000))
    (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))))`;

/**
 * Writes numbered lines, '00000000' and on, with a pause after each.
 * @param lines how many
 * @param pauseNs nanoseconds
 */
export const counts = (lines: number, pauseNs: number): string => `(module
  ${IMPORTS.fd_write}
  ${IMPORTS.poll}
  (memory (export "memory") 1)
  (func $digits (param $number i32)
    (local $at i32)
    (local.set $at (i32.const 307))
    (loop $next
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $number) (i32.const 10))))
      (local.set $number (i32.div_u (local.get $number) (i32.const 10)))
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (br_if $next (i32.ge_u (local.get $at) (i32.const 300))))
    (i32.store8 (i32.const 308) (i32.const 10)))
  (func (export "_start")
    (local $count i32)
    (i32.store (i32.const 400) (i32.const 300))
    (i32.store (i32.const 404) (i32.const 9))
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const ${pauseNs}))
    (loop $again
      (call $digits (local.get $count))
      (drop (call $fd_write (i32.const 1) (i32.const 400) (i32.const 1) (i32.const 408)))
      (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $count) (i32.const ${lines}))))))`;

/** Writes its arguments and then its environment, each entry with a NUL after it. */
export const REPORTS = `(module
  ${IMPORTS.fd_write}
  (func $args_sizes_get (import "wasi_snapshot_preview1" "args_sizes_get") (param i32 i32) (result i32))
  (func $args_get (import "wasi_snapshot_preview1" "args_get") (param i32 i32) (result i32))
  (func $environ_sizes_get (import "wasi_snapshot_preview1" "environ_sizes_get") (param i32 i32) (result i32))
  (func $environ_get (import "wasi_snapshot_preview1" "environ_get") (param i32 i32) (result i32))
  (memory (export "memory") 2)
  (func $write (i32.store (i32.const 8) (i32.const 70000))
    (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))))
  (func (export "_start")
    (drop (call $args_sizes_get (i32.const 0) (i32.const 12)))
    (drop (call $args_get (i32.const 100) (i32.const 70000)))
    (call $write)
    (drop (call $environ_sizes_get (i32.const 0) (i32.const 12)))
    (drop (call $environ_get (i32.const 100) (i32.const 70000)))
    (call $write)))`;

/** Writes `times` times 64 KiB of zeros to stdout. */
export const floods = (times: number): string => `(module
  ${IMPORTS.fd_write}
  (memory (export "memory") 2)
  (func (export "_start")
    (local $count i32)
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 65536))
    (loop $again
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $count) (i32.const ${times}))))))`;

/**
 * Makes its memory grow by 1 MiB at a time and writes into all of it, until growing fails; then writes "full" and exits
 * with 3.
 * @param maximum pages of 64 KiB that the module itself allows
 */
export const grows = (maximum = 65536): string => `(module
  ${IMPORTS.fd_write}
  ${IMPORTS.proc_exit}
  (memory (export "memory") 1 ${maximum})
  (data (i32.const 100) "full\\0a")
  (func (export "_start")
    (local $pages i32)
    (block $failed
      (loop $again
        (local.set $pages (memory.grow (i32.const 16)))
        (br_if $failed (i32.eq (local.get $pages) (i32.const -1)))
        (memory.fill (i32.mul (local.get $pages) (i32.const 65536)) (i32.const 1) (i32.const 1048576))
        (br $again)))
    (i32.store (i32.const 0) (i32.const 100))
    (i32.store (i32.const 4) (i32.const 5))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $proc_exit (i32.const 3))))`;

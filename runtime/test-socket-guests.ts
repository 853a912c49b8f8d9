/** Guests with sockets in WebAssembly text, for tests. */

const imported = (name: string, parameters: number): string =>
  `(func $${name} (import "wasi_snapshot_preview1" "${name}") (param${' i32'.repeat(parameters)}) (result i32))`;

const IMPORTS = `
  ${imported('sock_open', 3)}
  ${imported('sock_bind', 3)}
  ${imported('sock_listen', 2)}
  ${imported('sock_accept', 2)}
  ${imported('sock_connect', 3)}
  ${imported('sock_getpeeraddr', 4)}
  ${imported('sock_recv', 6)}
  ${imported('sock_send', 5)}
  ${imported('fd_close', 1)}
  ${imported('fd_write', 4)}
  (func $proc_exit (import "wasi_snapshot_preview1" "proc_exit") (param i32))`;

/** Ends the guest with the errno of a call that failed. */
const MUST = `(func $must (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (local.get $errno)))))`;

/** Of `addrinuse` in WASI Preview 1. */
export const ADDRINUSE = 3;

const bytesOf = (bytes: readonly number[]): string =>
  bytes.map((byte) => `\\${byte.toString(16).padStart(2, '0')}`).join('');

/** Where in its memory a guest has what it needs: the size of an address and the address; what it says. */
const ADDRESS = 64;
const BYTES = 80;
const TEXT = 300;

/**
 * Listens on any address of both families and tells each client the name and, as 32 hexadecimal digits, the address that
 * the client has come from.
 * @param memory 'shared': then it is none that others share a host with
 */
export const tellsPeers = (name: string, port: number, memory: 'own' | 'shared' = 'own'): string => `(module
  ${IMPORTS}
  (memory (export "memory") 1 ${memory === 'shared' ? '1 shared' : ''})
  (data (i32.const ${TEXT}) "${name} ")
  (data (i32.const 200) "listening\\0a")
  (data (i32.const 220) "0123456789abcdef")
  ${MUST}
  (func $write_digits
    (local $at i32)
    (loop $next
      (i32.store8 (i32.add (i32.const ${TEXT + name.length + 1}) (i32.shl (local.get $at) (i32.const 1)))
        (i32.load8_u offset=220 (i32.shr_u (i32.load8_u offset=${BYTES} (local.get $at)) (i32.const 4))))
      (i32.store8 (i32.add (i32.const ${TEXT + name.length + 2}) (i32.shl (local.get $at) (i32.const 1)))
        (i32.load8_u offset=220 (i32.and (i32.load8_u offset=${BYTES} (local.get $at)) (i32.const 15))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 16)))))
  (func (export "_start")
    (i32.store (i32.const ${ADDRESS}) (i32.const ${BYTES}))
    (i32.store (i32.const ${ADDRESS + 4}) (i32.const 16))
    (call $must (call $sock_open (i32.const 2) (i32.const 2) (i32.const 0)))
    (call $must (call $sock_bind (i32.load (i32.const 0)) (i32.const ${ADDRESS}) (i32.const ${port})))
    (call $must (call $sock_listen (i32.load (i32.const 0)) (i32.const 16)))
    (i32.store (i32.const 16) (i32.const 200))
    (i32.store (i32.const 20) (i32.const 10))
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
    (i32.store (i32.const 16) (i32.const ${TEXT}))
    (i32.store (i32.const 20) (i32.const ${name.length + 33}))
    (loop $next
      (call $must (call $sock_accept (i32.load (i32.const 0)) (i32.const 4)))
      (if (i32.eqz (call $sock_getpeeraddr (i32.load (i32.const 4)) (i32.const ${ADDRESS}) (i32.const 8) (i32.const 12)))
        (then (call $write_digits)
          (drop (call $sock_send (i32.load (i32.const 4)) (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 24)))))
      (drop (call $fd_close (i32.load (i32.const 4))))
      (br $next))))`;

/**
 * Connects and prints what it is told until the end; ends with the errno of what failed.
 * @param ip 4 or 16 bytes
 */
export const asks = (ip: readonly number[], port: number): string => `(module
  ${IMPORTS}
  (memory (export "memory") 1)
  (data (i32.const ${BYTES}) "${bytesOf(ip)}")
  ${MUST}
  (func (export "_start")
    (i32.store (i32.const ${ADDRESS}) (i32.const ${BYTES}))
    (i32.store (i32.const ${ADDRESS + 4}) (i32.const ${ip.length}))
    (call $must (call $sock_open (i32.const ${ip.length === 4 ? 1 : 2}) (i32.const 2) (i32.const 0)))
    (call $must (call $sock_connect (i32.load (i32.const 0)) (i32.const ${ADDRESS}) (i32.const ${port})))
    (i32.store (i32.const 16) (i32.const ${TEXT}))
    (loop $more
      (i32.store (i32.const 20) (i32.const 256))
      (call $must (call $sock_recv (i32.load (i32.const 0)) (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 24) (i32.const 28)))
      (i32.store (i32.const 20) (i32.load (i32.const 24)))
      (if (i32.load (i32.const 20)) (then
        (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 32)))
        (br $more))))))`;

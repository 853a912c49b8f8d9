;; A part of what c/work.c does, by hand: work FOLDER [ARGUMENT...]; work trap
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  ;; 0: scratch. 1024: texts. 4096: pointers to arguments. 8192: arguments. 65536: numbers.
  (memory (export "memory") 2)
  (data (i32.const 1024) "arguments:")
  (data (i32.const 1040) " [")
  (data (i32.const 1042) "]")
  (data (i32.const 1043) "\n")
  (data (i32.const 1044) "clocks: past 2020 ")
  (data (i32.const 1062) ", slept ")
  (data (i32.const 1070) "yes")
  (data (i32.const 1073) "no")
  (data (i32.const 1075) "random: differs ")
  (data (i32.const 1091) "sorted: ")
  (data (i32.const 1099) " ")
  (data (i32.const 1100) "to standard error\n")
  (data (i32.const 1118) "0123456789abcdef")
  (global $count i32 (i32.const 10000))

  (func $check (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (i32.add (i32.const 100) (local.get $errno))))))

  (func $write (param $fd i32) (param $text i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $text))
    (i32.store (i32.const 4) (local.get $length))
    (call $check (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))

  (func $say (param $text i32) (param $length i32)
    (call $write (i32.const 1) (local.get $text) (local.get $length)))

  (func $yes (param $is i32)
    (if (local.get $is)
      (then (call $say (i32.const 1070) (i32.const 3)))
      (else (call $say (i32.const 1073) (i32.const 2)))))

  (func $length (param $text i32) (result i32)
    (local $at i32)
    (local.set $at (local.get $text))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (i32.load8_u (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.sub (local.get $at) (local.get $text)))

  ;; A number in a base, with at least so many digits, made from its end at 300.
  (func $number (param $value i32) (param $base i32) (param $digits i32)
    (local $at i32)
    (local.set $at (i32.const 300))
    (loop $next
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8
        (local.get $at)
        (i32.load8_u (i32.add (i32.const 1118) (i32.rem_u (local.get $value) (local.get $base)))))
      (local.set $value (i32.div_u (local.get $value) (local.get $base)))
      (local.set $digits (i32.sub (local.get $digits) (i32.const 1)))
      (br_if $next (i32.or (i32.ne (local.get $value) (i32.const 0)) (i32.gt_s (local.get $digits) (i32.const 0)))))
    (call $say (local.get $at) (i32.sub (i32.const 300) (local.get $at))))

  (func $arguments (param $count i32)
    (local $index i32) (local $text i32)
    (call $say (i32.const 1024) (i32.const 10))
    (local.set $index (i32.const 2))
    (block $end
      (loop $next
        (br_if $end (i32.ge_u (local.get $index) (local.get $count)))
        (local.set $text (i32.load (i32.add (i32.const 4096) (i32.shl (local.get $index) (i32.const 2)))))
        (call $say (i32.const 1040) (i32.const 2))
        (call $say (local.get $text) (call $length (local.get $text)))
        (call $say (i32.const 1042) (i32.const 1))
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (br $next)))
    (call $say (i32.const 1043) (i32.const 1)))

  (func $now (param $clock i32) (result i64)
    (call $check (call $clock_time_get (local.get $clock) (i64.const 1) (i32.const 16)))
    (i64.load (i32.const 16)))

  (func $clocks
    (local $begin i64)
    (local.set $begin (call $now (i32.const 1)))
    ;; A subscription at 32: the monotonic clock, 5 ms from now.
    (i32.store (i32.const 48) (i32.const 1))
    (i64.store (i32.const 56) (i64.const 5000000))
    (call $check (call $poll_oneoff (i32.const 32) (i32.const 128) (i32.const 1) (i32.const 24)))
    (call $say (i32.const 1044) (i32.const 18))
    (call $yes (i64.gt_u (call $now (i32.const 0)) (i64.const 1577836800000000000)))
    (call $say (i32.const 1062) (i32.const 8))
    (call $yes (i64.ge_u (i64.sub (call $now (i32.const 1)) (local.get $begin)) (i64.const 5000000)))
    (call $say (i32.const 1043) (i32.const 1)))

  (func $randoms
    (call $check (call $random_get (i32.const 400) (i32.const 16)))
    (call $say (i32.const 1075) (i32.const 16))
    (call $yes (i64.ne (i64.load (i32.const 400)) (i64.load (i32.const 408))))
    (call $say (i32.const 1043) (i32.const 1)))

  (func $at (param $index i32) (result i32)
    (i32.add (i32.const 65536) (i32.shl (local.get $index) (i32.const 2))))

  ;; By insertion.
  (func $sort
    (local $index i32) (local $to i32) (local $value i32) (local $before i32)
    (loop $next
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (local.set $value (i32.load (call $at (local.get $index))))
      (local.set $to (local.get $index))
      (block $found
        (loop $down
          (br_if $found (i32.eqz (local.get $to)))
          (local.set $before (i32.load (call $at (i32.sub (local.get $to) (i32.const 1)))))
          (br_if $found (i32.le_u (local.get $before) (local.get $value)))
          (i32.store (call $at (local.get $to)) (local.get $before))
          (local.set $to (i32.sub (local.get $to) (i32.const 1)))
          (br $down)))
      (i32.store (call $at (local.get $to)) (local.get $value))
      (br_if $next (i32.lt_u (local.get $index) (i32.sub (global.get $count) (i32.const 1))))))

  (func $shown (param $index i32)
    (call $number (i32.load (call $at (local.get $index))) (i32.const 10) (i32.const 1))
    (call $say (i32.const 1099) (i32.const 1)))

  (func $sorting
    (local $index i32) (local $state i32) (local $hash i32)
    (local.set $state (i32.const 1))
    (loop $next
      (local.set $state (i32.add (i32.mul (local.get $state) (i32.const 1664525)) (i32.const 1013904223)))
      (i32.store (call $at (local.get $index)) (local.get $state))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $index) (global.get $count))))
    (call $sort)
    (local.set $hash (i32.const 2166136261))
    (local.set $index (i32.const 0))
    (loop $next
      (local.set $hash
        (i32.mul (i32.xor (local.get $hash) (i32.load (call $at (local.get $index)))) (i32.const 16777619)))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $index) (global.get $count))))
    (call $say (i32.const 1091) (i32.const 8))
    (call $shown (i32.const 0))
    (call $shown (i32.div_u (global.get $count) (i32.const 2)))
    (call $shown (i32.sub (global.get $count) (i32.const 1)))
    (call $number (local.get $hash) (i32.const 16) (i32.const 8))
    (call $say (i32.const 1043) (i32.const 1)))

  (func (export "_start")
    (local $count i32)
    (call $check (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (local.set $count (i32.load (i32.const 0)))
    (call $check (call $args_get (i32.const 4096) (i32.const 8192)))
    (if (i32.lt_u (local.get $count) (i32.const 2)) (then (call $proc_exit (i32.const 2))))
    ;; "trap"
    (if (i32.eq (i32.load (i32.load (i32.const 4100))) (i32.const 0x70617274)) (then unreachable))
    (call $arguments (local.get $count))
    (call $clocks)
    (call $randoms)
    (call $sorting)
    (call $write (i32.const 2) (i32.const 1100) (i32.const 18))
    (call $proc_exit (i32.const 3))))

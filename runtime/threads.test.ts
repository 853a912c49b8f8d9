import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import wabt from 'wabt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildGuest } from '../test/support/guests.ts';
import { MAX_THREADS } from './engine/v8/threads/thread-group.ts';
import { TestRuntime, until } from './test-runtime.ts';

/** Longer than any test: whoever waits for it fails. */
const GRACE_SECONDS = 600;
const HOUR_NS = 3_600_000_000_000n;

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start();
});
afterAll(() => runtime[Symbol.asyncDispose]());

/**
 * A guest with threads (wasi-threads). At 0 stands how many threads have ended; `$print` writes a number and a line feed;
 * `$ended` says that a thread has, `$join` waits until so many have.
 */
const threaded = (body: string, memory = '(memory $memory (import "env" "memory") 2 64 shared)'): string => `(module
  (func $spawn (import "wasi" "thread-spawn") (param i32) (result i32))
  (func $fd_write (import "wasi_snapshot_preview1" "fd_write") (param i32 i32 i32 i32) (result i32))
  (func $fd_read (import "wasi_snapshot_preview1" "fd_read") (param i32 i32 i32 i32) (result i32))
  (func $fd_close (import "wasi_snapshot_preview1" "fd_close") (param i32) (result i32))
  (func $path_open (import "wasi_snapshot_preview1" "path_open")
    (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32))
  (func $poll (import "wasi_snapshot_preview1" "poll_oneoff") (param i32 i32 i32 i32) (result i32))
  (func $exit (import "wasi_snapshot_preview1" "proc_exit") (param i32))
  ${memory}
  (export "memory" (memory 0))
  (data $path "file")
  (func $print_from (param $at i32) (param $number i32)
    (local $end i32) (local $start i32) (local $left i32)
    (local.set $end (i32.add (local.get $at) (i32.const 32)))
    (local.set $start (local.get $end))
    (local.set $left (local.get $number))
    (i32.store8 (local.get $end) (i32.const 10))
    (loop $next
      (local.set $start (i32.sub (local.get $start) (i32.const 1)))
      (i32.store8 (local.get $start) (i32.add (i32.const 48) (i32.rem_u (local.get $left) (i32.const 10))))
      (local.set $left (i32.div_u (local.get $left) (i32.const 10)))
      (br_if $next (local.get $left)))
    (i32.store (local.get $at) (local.get $start))
    (i32.store offset=4 (local.get $at) (i32.sub (i32.add (local.get $end) (i32.const 1)) (local.get $start)))
    (drop (call $fd_write (i32.const 1) (local.get $at) (i32.const 1) (i32.add (local.get $at) (i32.const 8)))))
  (func $print (param $number i32) (call $print_from (i32.const 1024) (local.get $number)))
  (func $sleep (param $at i32)
    (i32.store8 offset=8 (local.get $at) (i32.const 0))
    (i32.store offset=16 (local.get $at) (i32.const 1))
    (i64.store offset=24 (local.get $at) (i64.const ${HOUR_NS}))
    (drop (call $poll (local.get $at) (i32.add (local.get $at) (i32.const 64)) (i32.const 1)
      (i32.add (local.get $at) (i32.const 128)))))
  (func $ended
    (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
    (drop (memory.atomic.notify (i32.const 0) (i32.const 100))))
  (func $join (param $threads i32) (local $now i32)
    (loop $again
      (local.set $now (i32.atomic.load (i32.const 0)))
      (if (i32.lt_u (local.get $now) (local.get $threads))
        (then
          (drop (memory.atomic.wait32 (i32.const 0) (local.get $now) (i64.const -1)))
          (br $again)))))
  ${body})`;

async function image(wat: string) {
  const parsed = (await wabt()).parseWat('guest.wat', wat, { threads: true });
  const module = join(runtime.root, '..', `${Math.random()}.wasm`);
  writeFileSync(module, parsed.toBinary({ write_debug_names: true }).buffer);
  parsed.destroy();
  return { userSpecifiedImage: 'threads', imageRef: 'sha256:0', module };
}

describe.each(['wasm', 'wasm-interpreter'])('in the class %s,', (handler) => {
  const run = async (wat: string) => (await runtime.run('(module)', { image: await image(wat) }, handler)).container;

  async function result(wat: string) {
    const container = await run(wat);
    const { exitCode, message } = await runtime.exited(container);
    return { exitCode, message, output: await runtime.output(container) };
  }

  test('the threads of a guest share its memory, and wait for one another', async () => {
    const counts = `
    (func (export "wasi_thread_start") (param $id i32) (param $times i32)
      (loop $again
        (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1)))
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (local.get $times)))
      (call $ended))
    (func (export "_start")
      (call $print (call $spawn (i32.const 10000)))
      (call $print (call $spawn (i32.const 20000)))
      (call $print (call $spawn (i32.const 30000)))
      (call $join (i32.const 3))
      (call $print (i32.atomic.load (i32.const 4))))`;
    expect(await result(threaded(counts))).toEqual({ exitCode: 0, message: '', output: '1\n2\n3\n60000\n' });
  });

  test('a program that clang and its linker have made for threads', { timeout: 300_000 }, async () => {
    const program = { userSpecifiedImage: 'threads', imageRef: 'sha256:0', module: await buildGuest('threads-c') };
    const { container } = await runtime.run('(module)', { image: program }, handler);
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 0 });
    expect(await runtime.output(container)).toBe('sum 4000000\n');
    const trapped = await runtime.run('(module)', { image: program, args: ['threads', 'trap'] }, handler);
    const { exitCode, message } = await runtime.exited(trapped.container);
    expect(exitCode).toBe(134);
    expect(message).toMatch(
      /^unreachable \(in thread 4\)\n {4}at work \(threads\.c:\d+.*\n {4}at thread_main \(threads\.c/,
    );
  });

  test('a start function runs in each thread, before its entry', async () => {
    const starts = `
    (func $init (drop (i32.atomic.rmw.add (i32.const 4) (i32.const 1))))
    (start $init)
    (func (export "wasi_thread_start") (param i32 i32) (call $ended))
    (func (export "_start")
      (drop (call $spawn (i32.const 0)))
      (call $join (i32.const 1))
      (call $print (i32.atomic.load (i32.const 4))))`;
    expect(await result(threaded(starts))).toMatchObject({ exitCode: 0, output: '2\n' });
  });

  test('descriptors and files are those of all threads', async () => {
    const opens = (oflags: number, rights: number): string => `
    (memory.init $path (i32.const 200) (i32.const 0) (i32.const 4))
    (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 200) (i32.const 4) (i32.const ${oflags})
      (i64.const ${rights}) (i64.const 0) (i32.const 0) (i32.const 300)))`;
    const shares = `
    ;; Writes "file" to the descriptor that the first thread has opened, and closes it.
    (func (export "wasi_thread_start") (param $id i32) (param $fd i32)
      (i32.store (i32.const 400) (i32.const 200))
      (i32.store (i32.const 404) (i32.const 4))
      (drop (call $fd_write (local.get $fd) (i32.const 400) (i32.const 1) (i32.const 408)))
      (drop (call $fd_close (local.get $fd)))
      (call $ended))
    (func (export "_start")
      ${opens(1, 64)}
      (drop (call $spawn (i32.load (i32.const 300))))
      (call $join (i32.const 1))
      ;; Closed by the thread: EBADF.
      (call $print (call $fd_close (i32.load (i32.const 300))))
      ${opens(0, 2)}
      (i32.store (i32.const 500) (i32.const 600))
      (i32.store (i32.const 504) (i32.const 100))
      (drop (call $fd_read (i32.load (i32.const 300)) (i32.const 500) (i32.const 1) (i32.const 508)))
      (call $print (i32.load (i32.const 508)))
      (call $print (i32.eq (i32.load (i32.const 200)) (i32.load (i32.const 600)))))`;
    expect(await result(threaded(shares))).toMatchObject({ exitCode: 0, output: '8\n4\n1\n' });
  });

  test('a thread that waits in a call holds up no other', async () => {
    const waits = `
    (func (export "wasi_thread_start") (param $id i32) (param $argument i32) (call $sleep (i32.const 2048)))
    (func (export "_start")
      (drop (call $spawn (i32.const 0)))
      (call $print (i32.const 7)))`;
    expect(await result(threaded(waits))).toMatchObject({ exitCode: 0, output: '7\n' });
  });

  test('memory that one thread adds is there for the calls of all', async () => {
    const grows = `
    (func (export "wasi_thread_start") (param $id i32) (param $argument i32)
      (drop (memory.grow (i32.const 1)))
      (call $ended))
    (func (export "_start")
      (call $print (memory.size))
      (drop (call $spawn (i32.const 0)))
      (call $join (i32.const 1))
      (call $print_from (i32.const 131072) (memory.size)))`;
    expect(await result(threaded(grows))).toMatchObject({ exitCode: 0, output: '2\n3\n' });
  });

  const SPINS_OR = (what: string): string => `
  (func $fails ${what})
  (func (export "wasi_thread_start") (param $id i32) (param $argument i32)
    (if (local.get $argument) (then (call $fails)))
    (loop $again (br $again)))
  (func (export "_start")
    (drop (call $spawn (i32.const 0)))
    (drop (call $spawn (i32.const 1)))
    (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1))))`;

  test('an exit in one thread ends all, those that compute and those that wait', async () => {
    expect(await result(threaded(SPINS_OR('(call $exit (i32.const 5))')))).toMatchObject({ exitCode: 5, message: '' });
  });

  test('a trap in one thread ends all, and tells of its stack', async () => {
    const { exitCode, message } = await result(threaded(SPINS_OR('unreachable')));
    expect(exitCode).toBe(134);
    expect(message).toMatch(/^unreachable \(in thread 2\)\n {4}at fails\n/);
  });

  test('a stop ends all at once', async () => {
    const container = await run(
      threaded(`(func (export "_start") (call $print (i32.const 1)) (loop $again (br $again)))`),
    );
    await until(async () => (await runtime.output(container)) === '1\n', 60_000);
    await runtime.service.stopContainer(container, GRACE_SECONDS);
    expect(await runtime.service.containerStatus(container)).toMatchObject({ exitCode: 143 });
  });

  test('there are so many threads and no more; a thread that has ended makes room', { timeout: 120_000 }, async () => {
    const forks = `
    (func (export "wasi_thread_start") (param $id i32) (param $argument i32)
      (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1)))
      (call $ended))
    (func (export "_start") (local $count i32) (local $id i32)
      (loop $again
        (local.set $id (call $spawn (i32.const 0)))
        (if (i32.gt_s (local.get $id) (i32.const 0))
          (then
            (local.set $count (i32.add (local.get $count) (i32.const 1)))
            (br $again))))
      (call $print (local.get $count))
      (call $print (i32.sub (i32.const 0) (local.get $id)))
      (i32.atomic.store (i32.const 8) (i32.const 1))
      (drop (memory.atomic.notify (i32.const 8) (i32.const 1000)))
      (call $join (local.get $count))
      ;; What has just said that it ended has still to return.
      (loop $retry (br_if $retry (i32.lt_s (call $spawn (i32.const 0)) (i32.const 0))))
      (call $print (i32.const 9)))`;
    expect(await result(threaded(forks))).toMatchObject({ exitCode: 0, output: `${MAX_THREADS - 1}\n6\n9\n` });
  });

  test('a command in a container may have threads', async () => {
    const guest = threaded(`
    (func (export "wasi_thread_start") (param $id i32) (param $argument i32)
      (call $print (local.get $argument))
      (call $ended))
    (func (export "_start")
      (drop (call $spawn (i32.const 42)))
      (call $join (i32.const 1)))`);
    const tree = join(runtime.root, '..', `tree-${handler}`);
    mkdirSync(tree);
    const parsed = (await wabt()).parseWat('guest.wat', guest, { threads: true });
    writeFileSync(join(tree, 'app'), parsed.toBinary({}).buffer);
    parsed.destroy();
    const sleeps = (await image(threaded('(func (export "_start") (call $sleep (i32.const 2048)))'))).module;
    const { container } = await runtime.run(
      '(module)',
      { image: { userSpecifiedImage: 'tree', imageRef: 'sha256:0', tree, module: sleeps } },
      handler,
    );
    const answer = await runtime.service.execSync(container, ['/app'], 60);
    expect({ ...answer, stdout: Buffer.from(answer.stdout).toString() }).toMatchObject({ exitCode: 0, stdout: '42\n' });
    await runtime.service.stopContainer(container, 0);
  });
});

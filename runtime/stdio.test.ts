import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prints } from './test-guests.ts';
import { TestRuntime, until } from './test-runtime.ts';

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start();
});
afterAll(() => runtime[Symbol.asyncDispose]());

/** Says 'reading', reads, and exits with 10 + the number of bytes. */
const READS = `(module
  (func $fd_write (import "wasi_snapshot_preview1" "fd_write") (param i32 i32 i32 i32) (result i32))
  (func $fd_read (import "wasi_snapshot_preview1" "fd_read") (param i32 i32 i32 i32) (result i32))
  (func $proc_exit (import "wasi_snapshot_preview1" "proc_exit") (param i32))
  (memory (export "memory") 1)
  (data (i32.const 100) "reading\\0a")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 100))
    (i32.store (i32.const 4) (i32.const 8))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (call $proc_exit (i32.add (i32.const 10) (i32.load (i32.const 8))))))`;

test('the input of a container without stdin has ended', async () => {
  const { container } = await runtime.run(READS);
  expect(await runtime.exited(container)).toMatchObject({ exitCode: 10 });
});

test.each([[false], [true]])(
  'who reads the input of a container with stdin waits for someone to attach (stdinOnce: %s)',
  async (stdinOnce) => {
    const { container } = await runtime.run(READS, { stdin: true, stdinOnce });
    await until(async () => (await runtime.output(container)) === 'reading\n');
    // An end of input would have been there at once: stdin is asked for before anything else can happen in the host.
    await runtime.service.listContainerStats({ id: container });
    expect((await runtime.service.containerStatus(container)).state).toBe('CONTAINER_RUNNING');
    await runtime.service.stopContainer(container, 600);
    expect(await runtime.service.containerStatus(container)).toMatchObject({ exitCode: 143 });
  },
);

test('with a terminal both streams are one, and lines end as terminals end them', async () => {
  const { container } = await runtime.run(prints('words\n', '', 2), { tty: true });
  const { logPath } = await runtime.exited(container);
  expect(readFileSync(logPath, 'utf8')).toMatch(/ stdout F words\r\n$/);
});

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAlive, type ProcessIdentity } from '../../base/process.ts';
import { exits, REPORTS, SLEEPS, TRAPS } from '../../runtime/test-guests.ts';
import { freePort } from '../../test/support/ports.ts';
import { assemble } from '../../runtime/test-runtime.ts';

const CLI = join(import.meta.dirname, '..', 'cli.ts');
const PATIENCE_MS = 120_000;

/** Copies its input to its output, whatever it is; fd 3 is the first connection of a listener, where there is one. */
const copies = (source: number, target: number, first = ''): string => `(module
  (func $fd_read (import "wasi_snapshot_preview1" "fd_read") (param i32 i32 i32 i32) (result i32))
  (func $fd_write (import "wasi_snapshot_preview1" "fd_write") (param i32 i32 i32 i32) (result i32))
  (func $sock_accept (import "wasi_snapshot_preview1" "sock_accept") (param i32 i32 i32) (result i32))
  (func $set_flags (import "wasi_snapshot_preview1" "fd_fdstat_set_flags") (param i32 i32) (result i32))
  (memory (export "memory") 2)
  (global $in (mut i32) (i32.const ${source}))
  (global $out (mut i32) (i32.const ${target}))
  (func (export "_start")
    ${first}
    (loop $again
      (i32.store (i32.const 0) (i32.const 1024))
      (i32.store (i32.const 4) (i32.const 65536))
      (if (call $fd_read (global.get $in) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
      (i32.store (i32.const 4) (i32.load (i32.const 8)))
      (if (i32.load (i32.const 8))
        (then
          (drop (call $fd_write (global.get $out) (i32.const 0) (i32.const 1) (i32.const 12)))
          (br $again))))))`;

const SERVES = copies(
  0,
  0,
  // Listeners are not blocking from the start.
  `(if (call $set_flags (i32.const 3) (i32.const 0)) (then unreachable))
   (if (call $sock_accept (i32.const 3) (i32.const 0) (i32.const 16)) (then unreachable))
   (global.set $in (i32.load (i32.const 16)))
   (global.set $out (i32.load (i32.const 16)))`,
);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wr-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const stateFolder = () => join(folder, 's', 'wasmlet-run');

async function moduleFile(name: string, wat: string): Promise<string> {
  const path = join(folder, `${name}.wasm`);
  writeFileSync(path, await assemble(wat));
  return path;
}

function start(...args: readonly string[]): ChildProcessWithoutNullStreams {
  const env = { ...process.env, XDG_STATE_HOME: join(folder, 's') };
  return spawn(process.execPath, [CLI, 'run', ...args], { env });
}

async function ended(
  child: ChildProcessWithoutNullStreams,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout = '', stderr = ''] = await Promise.all([child.stdout, child.stderr].map((stream) => text(stream)));
  return { code: await code, stdout, stderr };
}

const run = (...args: readonly string[]) => ended(start(...args));

/** Those of guests that run. */
const runFolders = () => readdirSync(stateFolder()).filter((name) => name.startsWith('r-'));

/** The guest's process, once it runs. */
async function guestOf(): Promise<ProcessIdentity> {
  const read = () => {
    const [name = ''] = runFolders();
    return (JSON.parse(readFileSync(join(stateFolder(), name, 'owner.json'), 'utf8')) as { host?: ProcessIdentity })
      .host;
  };
  await expect.poll(() => read(), { timeout: PATIENCE_MS }).toBeDefined();
  return read()!;
}

describe('run', { timeout: 2 * PATIENCE_MS }, () => {
  test('gives the guest its arguments and environment, and leaves nothing', async () => {
    const module = await moduleFile('reports', REPORTS);
    const { code, stdout, stderr } = await run('-e', 'A=1', module, '-x', '--env', 'y');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const words = stdout.split('\0');
    expect(words.slice(0, 4)).toEqual(['reports.wasm', '-x', '--env', 'y']);
    expect(words).toEqual(expect.arrayContaining(['A=1', 'HOSTNAME=wasmlet']));
    expect(runFolders()).toEqual([]);
  });

  test('has the exit code of the guest', async () => {
    expect(await run('--engine', 'interpreter', await moduleFile('exits', exits(7)))).toEqual({
      code: 7,
      stdout: '',
      stderr: '',
    });
  });

  test('shows a trap with its stack on stderr, and ends as by SIGABRT', async () => {
    const { code, stderr } = await run(await moduleFile('traps', TRAPS));
    expect(code).toBe(134);
    expect(stderr).toMatch(/^unreachable\n {4}at /);
  });

  test('streams its input to the guest, and what that writes comes byte for byte', async () => {
    const child = start('-i', await moduleFile('cat', copies(0, 1)));
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) & 0xff));
    const output = buffer(child.stdout);
    const code = new Promise((resolve) => child.once('close', resolve));
    child.stdin.write(bytes.subarray(0, 10));
    child.stdin.end(bytes.subarray(10));
    expect((await output).equals(bytes)).toBe(true);
    expect(await code).toBe(0);
  });

  test('ends with its guest, whatever input there is still', async () => {
    const child = start('-i', await moduleFile('reads', copies(0, 1).replace('(br $again)', '')));
    const end = ended(child);
    child.stdin.write('first');
    expect(await end).toEqual({ code: 0, stdout: 'first', stderr: '' });
    child.stdin.destroy();
  });

  test('without -i the guest has no input', async () => {
    expect(await run(await moduleFile('cat', copies(0, 1)))).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('is stopped by SIGINT, as a pod is', async () => {
    const child = start(await moduleFile('sleeps', SLEEPS));
    const end = ended(child);
    const guest = await guestOf();
    child.kill('SIGINT');
    expect(await end).toEqual({ code: 143, stdout: '', stderr: '' });
    expect(isAlive(guest)).toBe(false);
    expect(runFolders()).toEqual([]);
  });

  test('publishes what the guest listens on, and nothing else', async () => {
    const port = await freePort();
    // One that another program has on all addresses is nobody else's.
    const guestPort = await freePort();
    const child = start('--publish', `${port}:${guestPort}`, await moduleFile('serves', SERVES));
    const end = ended(child);
    await guestOf();
    const socket = connect(port, '127.0.0.1');
    socket.end('hello');
    const answer = text(socket).catch(String);
    expect(await end).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await answer).toBe('hello');
  });

  test('that was killed leaves nothing for longer than to the next one', async () => {
    const child = start(await moduleFile('sleeps', SLEEPS));
    const end = ended(child);
    const guest = await guestOf();
    child.kill('SIGKILL');
    await end;
    expect(await run(await moduleFile('exits', exits(0)))).toMatchObject({ code: 0 });
    await expect.poll(() => isAlive(guest), { timeout: PATIENCE_MS }).toBe(false);
    expect(runFolders()).toEqual([]);
  });

  test.each([
    [['--mount', '/no/such/place:/a'], 125, '--mount /no/such/place: there is no such file'],
    [['--mount', 'relative'], 2, 'Expected HOST:GUEST'],
    [['--publish', '80'], 2, 'Expected HOST:GUEST or ADDRESS:HOST:GUEST'],
    [['--memory', 'much'], 2, 'Expected a quantity'],
    [['--user', 'nobody-has-this'], 125, 'nobody-has-this'],
  ])('%j is refused by name', async (options, code, message) => {
    const result = await run(...options, await moduleFile('exits', exits(0)));
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(message);
  });

  test('an image that is nowhere, and a file that is no module, are told of', async () => {
    expect(await run('--pull', 'never', 'example.org/nothing:1')).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(/^wasmlet: image example.org\/nothing:1 is not in .*--pull is never/) as string,
    });
    expect(await run('./nothing.wasm')).toMatchObject({
      code: 125,
      stderr: 'wasmlet: ./nothing.wasm: there is no such file\n',
    });
    writeFileSync(join(folder, 'text'), 'text');
    expect(await run(join(folder, 'text'))).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('wasmlet: ') as string,
    });
  });
});

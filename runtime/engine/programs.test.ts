import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPreview1 } from '../../wasi/preview1/index.ts';
import { WasiExit } from '../../wasi/wasi.ts';
import { engineFor } from './index.ts';
import { wat } from './v8/test-wat.ts';

/** Programs of real toolchains, from source, through each engine and our WASI Preview 1. */

const ENGINES = ['v8', 'interpreter'] as const;

const GO_PROGRAM = `package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func main() {
	fmt.Println(os.Args[1:], os.Getenv("GREETING"))
	check(os.WriteFile("relative", []byte("content"), 0o644))
	check(os.MkdirAll("/a/b/c", 0o755))
	check(os.Rename("relative", "/a/b/c/renamed"))
	content, err := os.ReadFile("/a/b/c/renamed")
	check(err)
	fmt.Println(string(content))
	check(filepath.WalkDir("/a", func(path string, _ fs.DirEntry, err error) error {
		fmt.Println(path)
		return err
	}))
	entries, err := os.ReadDir("/mounted")
	check(err)
	for _, entry := range entries {
		fmt.Println(entry.Name(), entry.IsDir())
	}
	fmt.Println(errors.Is(os.WriteFile("/mounted/new", nil, 0o644), fs.ErrPermission), os.Remove("/mounted/one"))
	check(os.RemoveAll("/a"))
	_, err = os.Stat("/a")
	fmt.Println(errors.Is(err, fs.ErrNotExist))

	begin := time.Now()
	var group sync.WaitGroup
	for n := range 3 {
		group.Add(1)
		go func() {
			defer group.Done()
			time.Sleep(time.Duration(n+1) * 15 * time.Millisecond)
			fmt.Println("tick", n)
		}()
	}
	group.Wait()
	fmt.Println(time.Since(begin) >= 45*time.Millisecond)
	os.Exit(7)
}
`;

const AS_PROGRAM = `
@external("wasi_snapshot_preview1", "fd_write")
declare function fdWrite(fd: i32, iovs: usize, count: i32, out: usize): i32;
@external("wasi_snapshot_preview1", "proc_exit")
declare function procExit(code: i32): void;
function say(text: string): void {
  const bytes = String.UTF8.encode(text);
  const iov = memory.data(16);
  store<usize>(iov, changetype<usize>(bytes));
  store<i32>(iov, bytes.byteLength, 4);
  fdWrite(1, iov, 1, iov + 8);
}
export function _start(): void {
  for (let i = 0; i < 3; i++) say("line " + i.toString() + "\\n");
  procExit(3);
}
`;

const C_PROGRAM = `
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv) {
  char line[64];
  if (chdir(getenv("PWD")) != 0) return 1;
  FILE *file = fopen("relative", "w+");
  fprintf(file, "%s %d\\n", argv[argc - 1], argc);
  rewind(file);
  fputs(fgets(line, sizeof line, file), stdout);
  fclose(file);
  printf("%d %d\\n", mkdir("/sub", 0755), rename("relative", "/sub/moved"));
  struct stat info;
  printf("%d %d\\n", stat("/sub/moved", &info), (int)info.st_size);
  printf("%d %s\\n", open("/mounted/one", O_RDWR), strerror(errno));
  DIR *directory = opendir("/sub");
  for (struct dirent *entry; (entry = readdir(directory));) printf("%s\\n", entry->d_name);
  struct timespec pause = {0, 10000000};
  printf("%d %d\\n", nanosleep(&pause, 0), isatty(1));
  return getchar() == EOF ? 9 : 1;
}
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'programs-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a module as the host process does; the root is a folder of its own, with `srv` and a read-only mount in it. */
async function runOn(engine: (typeof ENGINES)[number], module: Uint8Array<ArrayBuffer>, args: readonly string[] = []) {
  const root = mkdtempSync(join(folder, 'root-'));
  const mounted = mkdtempSync(join(folder, 'mounted-'));
  mkdirSync(join(root, 'srv'));
  writeFileSync(join(mounted, 'one'), '1');
  let stdout = '';
  using wasi = createPreview1({
    args: ['program', ...args],
    env: ['GREETING=hello'],
    root,
    workingDir: '/srv',
    mounts: [{ guestPath: '/mounted', hostPath: mounted, readonly: true }],
    stdin: { read: () => new Uint8Array(0) },
    stdout: { write: (chunk) => void (stdout += Buffer.from(chunk).toString()) },
    stderr: { write: (chunk) => void (stdout += Buffer.from(chunk).toString()) },
    tty: false,
  });
  const guest = await (await engineFor(engine).compile(module)).instantiate(wasi.imports);
  wasi.setMemory(guest.memory);
  const exitCode = await guest.run('_start').then(
    () => 0,
    (error: unknown) => {
      if (error instanceof WasiExit) return error.exitCode;
      throw error;
    },
  );
  return { exitCode, lines: stdout.split('\n').filter((line) => line !== '') };
}

/** The same on every engine: that one's output. */
async function runProgram(module: Uint8Array<ArrayBuffer>, args: readonly string[] = []) {
  const runs = [];
  for (const engine of ENGINES) runs.push(await runOn(engine, module, args));
  const [first, ...others] = runs;
  for (const other of others) expect(other).toEqual(first);
  return first!;
}

const goIsHere = ((): boolean => {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

describe.skipIf(!goIsHere)('Go (GOOS=wasip1; skipped where Go is not installed)', () => {
  test('files, directories, a read-only mount, goroutines that sleep, an exit code', { timeout: 120_000 }, async () => {
    writeFileSync(join(folder, 'main.go'), GO_PROGRAM);
    execFileSync('go', ['build', '-o', 'go.wasm', 'main.go'], {
      cwd: folder,
      env: { ...process.env, GOOS: 'wasip1', GOARCH: 'wasm', GOFLAGS: '-mod=mod' },
    });
    const { exitCode, lines } = await runProgram(new Uint8Array(readFileSync(join(folder, 'go.wasm'))), ['x', 'y']);
    expect(lines).toEqual([
      '[x y] hello',
      'content',
      '/a',
      '/a/b',
      '/a/b/c',
      '/a/b/c/renamed',
      'one false',
      'false remove /mounted/one: Read-only file system',
      'true',
      'tick 0',
      'tick 1',
      'tick 2',
      'true',
    ]);
    expect(exitCode).toBe(7);
  });
});

test('C with wasi-libc: working directory by PWD, files, a read-only mount, sleep', { timeout: 120_000 }, async () => {
  const { commands } = await import('@yowasp/clang');
  const flags = ['-O1', '--target=wasm32-wasip1', 'main.c', '-o', 'main.wasm'];
  const built = await commands.clang(flags, { 'main.c': C_PROGRAM }, { stderr: null, fetchProgress: () => undefined });
  const { exitCode, lines } = await runProgram(new Uint8Array(built?.['main.wasm'] as Uint8Array), ['arg']);
  expect(lines).toEqual(['arg 2', '0 0', '0 6', '-1 Read-only file system', '.', '..', 'moved', '0 0']);
  expect(exitCode).toBe(9);
});

test('AssemblyScript prints and exits', async () => {
  writeFileSync(join(folder, 'main.ts'), AS_PROGRAM);
  // As a program: its types declare globals that are not Node's.
  const asc = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js');
  const flags = ['main.ts', '--outFile', 'as.wasm', '-O1', '--runtime', 'stub', '--use', 'abort='];
  execFileSync(process.execPath, [asc, ...flags], { cwd: folder, stdio: 'ignore' });
  expect(await runProgram(new Uint8Array(readFileSync(join(folder, 'as.wasm'))))).toEqual({
    exitCode: 3,
    lines: ['line 0', 'line 1', 'line 2'],
  });
});

test('a start function may print', async () => {
  const module = wat(`(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\\10\\00\\00\\00\\06\\00\\00\\00")
    (data (i32.const 16) "early\\0a")
    (func $main (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
    (func (export "_start"))
    (start $main))`);
  expect(await runProgram(module)).toEqual({ exitCode: 0, lines: ['early'] });
});

test('a memory that grows while calls go on is seen as it is', async () => {
  const module = wat(`(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "grown\\0a")
    (func $say (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 6))
      (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))
    (func (export "_start")
      (call $say)
      (drop (memory.grow (i32.const 10)))
      (memory.copy (i32.const 200000) (i32.const 64) (i32.const 6))
      (call $say)
      (i32.store (i32.const 0) (i32.const 200000))
      (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 400000)) (then unreachable))))`);
  expect(await runProgram(module)).toEqual({ exitCode: 0, lines: ['grown', 'grown', 'grown'] });
});

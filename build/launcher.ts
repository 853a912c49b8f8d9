#!/usr/bin/env node
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What the package installs as `wasmlet`: runs the program on this Node, or on the one that came with the package where
 * this one is too old. `npm install -g` has a command run by whatever `node` is first in PATH, which on Debian is Node 20,
 * and that does not so much as parse the program. So this file is for any Node there is.
 */

/** What the program needs; package.json's engines say what this file does. */
const NEEDED = 26;
/** What a shell, and the loader of programs, end with when a program cannot be started. */
const NOT_STARTED = 127;
/** Of package.json's optionalDependencies, the one for this machine. */
const NODE_PACKAGE = `node-linux-${process.arch}`;

/** The Node of the package, beside this one's own files, or above them where npm has put it there. */
function ownNode(): string | undefined {
  const folders = [join(__dirname, '..', 'node_modules'), join(__dirname, '..', '..')];
  return folders.map((folder) => join(folder, NODE_PACKAGE, 'bin', 'node')).find((path) => existsSync(path));
}

/** What helps where the loader has said which library is missing: a program's own 127 looks the same. */
function tellOfLibraries(node: string): void {
  if (spawnSync(node, ['--version']).status === 0) return;
  process.stderr.write(
    `wasmlet: the Node ${NEEDED} that comes with wasmlet lacks a library of the system. libatomic, which small systems ` +
      `leave out: apt-get install libatomic1 (Debian, Ubuntu), dnf install libatomic (Fedora, RHEL)\n`,
  );
}

/** Runs the program in a process of its own, which gets the signals meant for this one; ends as it does. */
function runOn(node: string, program: string): void {
  const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // A terminal has told the program already.
      if (signal === 'SIGTERM' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`wasmlet: ${node} cannot be started: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (code === NOT_STARTED) tellOfLibraries(node);
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

const program = join(__dirname, 'cli.mjs');
if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  void import(program);
} else {
  const node = ownNode();
  if (node === undefined) {
    process.stderr.write(
      `wasmlet: needs Node ${NEEDED} or later, this is ${process.version}, and the package ${NODE_PACKAGE} that comes ` +
        `with wasmlet is not installed: install wasmlet again, without --omit=optional\n`,
    );
    process.exitCode = 1;
  } else {
    runOn(node, program);
  }
}

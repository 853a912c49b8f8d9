#!/usr/bin/env node
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What the package installs as `wasmlet`: runs the program on this Node, or on the one that came with the package where
 * this one is too old. `npm install -g` has a command run by whatever `node` is first in PATH, which on Debian is Node 20,
 * and that does not so much as parse the program. So this file is for any Node there is.
 */

/** As package.json's engines. */
const NEEDED = 26;

/** The package `node`, beside this one's own files, or above them where npm has put it there. */
function ownNode(): string | undefined {
  const folders = [join(__dirname, '..', 'node_modules'), join(__dirname, '..', '..')];
  return folders.map((folder) => join(folder, 'node', 'bin', 'node')).find((path) => existsSync(path));
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
      `wasmlet: needs Node ${NEEDED} or later, this is ${process.version}, and the package node that comes with wasmlet is ` +
        `not installed: npm install -g --allow-scripts=node wasmlet\n`,
    );
    process.exitCode = 1;
  } else {
    runOn(node, program);
  }
}

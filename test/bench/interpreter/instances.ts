// `instances.ts MODULE COUNT`: prints the bytes of resident memory that each of so many instances takes that have run.
import { readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { webAssembly } from '../../../runtime/engine/interpreter/api.ts';

const [, , path = '', count = '0'] = process.argv;
const bytes = await readFile(path);
const { Module } = webAssembly();
const module = new Module(bytes);

/** Each in a realm of its own, as each guest of a host is. */
function instance(): unknown {
  const { Instance } = webAssembly();
  const made = new Instance(module);
  (made.exports['fib'] as (rounds: number) => number)(1);
  return made;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Without what is garbage. */
function resident(): number {
  collect();
  return process.memoryUsage.rss();
}

const kept = [instance()];
const before = resident();
for (let n = 0; n < Number(count); n++) kept.push(instance());
process.stdout.write(`${(resident() - before) / (kept.length - 1)}\n`);

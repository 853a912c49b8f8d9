// `own.ts MODULE interpreter|v8`: answers each line `KERNEL ROUNDS` by `RESULT NANOSECONDS`, as the peers do.
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { webAssembly } from '../../../runtime/engine/interpreter/api.ts';

type Kernel = (rounds: number) => number;

const [, , path, engine] = process.argv;
if (path === undefined || engine === undefined) throw new Error('usage: own.ts MODULE interpreter|v8');
const bytes = new Uint8Array(await readFile(path));
const kernels = engine === 'v8' ? onV8(bytes) : onInterpreter(bytes);

function onV8(module: Uint8Array<ArrayBuffer>): Readonly<Record<string, unknown>> {
  return new WebAssembly.Instance(new WebAssembly.Module(module)).exports;
}

function onInterpreter(module: Uint8Array): Readonly<Record<string, unknown>> {
  const { Module, Instance } = webAssembly();
  return new Instance(new Module(module)).exports;
}

for await (const line of createInterface({ input: process.stdin })) {
  const [name = '', rounds] = line.split(' ');
  const begin = process.hrtime.bigint();
  const result = (kernels[name] as Kernel)(Number(rounds));
  const took = process.hrtime.bigint() - begin;
  process.stdout.write(`${result} ${took}\n`);
}

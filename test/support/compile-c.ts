// `compile-c.ts OUTPUT SOURCE [FLAG...]`: clang and wasi-libc, which are Wasm themselves. A program of its own because
// the compiler takes hundreds of megabytes and seconds of its process.
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { commands, Exit } from '@yowasp/clang';

const [, , output, source, ...flags] = process.argv;
if (output === undefined || source === undefined) throw new Error('usage: compile-c.ts OUTPUT SOURCE [FLAG...]');

const name = basename(source);
// The module's own name, which shows in the stack of a trap.
const result = `${basename(source, '.c')}.wasm`;
try {
  const files = await commands.clang(['--target=wasm32-wasip1', ...flags, name, '-o', result], {
    [name]: await readFile(source, 'utf8'),
  });
  await writeFile(output, files?.[result] as Uint8Array);
} catch (error) {
  if (!(error instanceof Exit)) throw error;
  // The compiler has said on standard error what is wrong.
  process.exitCode = 1;
}

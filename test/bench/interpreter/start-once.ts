// `start-once.ts MODULE`: prints the milliseconds from a module's bytes to its first instruction in the interpreter.
import { readFile } from 'node:fs/promises';
import type { HostFunction } from '../../../runtime/engine/engine.ts';
import { interpreterEngine } from '../../../runtime/engine/interpreter/engine.ts';

const bytes = new Uint8Array(await readFile(process.argv[2] ?? ''));

/** Every import there is, each of which ends the guest: that is far enough. */
class Reached extends Error {}
const ends: HostFunction = {
  suspends: false,
  call: () => {
    throw new Reached();
  },
};

const begin = performance.now();
const module = await interpreterEngine.compile(bytes);
const imports: Record<string, Record<string, HostFunction>> = {};
for (const { module: from, name } of module.imports) (imports[from] ??= {})[name] = ends;
const guest = await module.instantiate(imports);
try {
  await guest.run('_start');
} catch (error) {
  if (!(error instanceof Reached)) throw error;
}
process.stdout.write(`${performance.now() - begin}\n`);

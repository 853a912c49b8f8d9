import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const CACHE = JSON.stringify(join(import.meta.dirname, '../support/cache.ts'));

/** A process that asks the cache in `folder` for 'thing', built by `build`; resolves to what it printed. */
function asker(folder: string, build: string, stderr: 'inherit' | 'ignore' = 'inherit') {
  const script = `import { cached } from ${CACHE};
    import { appendFileSync, writeFileSync } from 'node:fs';
    console.log(await cached({ path: 'thing', build: async (folder) => { ${build} } }));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, WASMLET_CACHE: folder },
    stdio: ['ignore', 'pipe', stderr],
  });
  return { child, exited: once(child, 'exit'), printed: once(child.stdout.setEncoding('utf8'), 'data') };
}

test('of processes that ask for the same at once one builds and the others wait', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-cache-'));
  const built = join(folder.path, 'built');
  const build = `appendFileSync(${JSON.stringify(built)}, 'x');
    await new Promise((resolve) => setTimeout(resolve, 300));
    writeFileSync(folder + '/result', 'good');`;
  const askers = [1, 2, 3].map(() => asker(folder.path, build));
  const printed = await Promise.all(askers.map((each) => each.printed));
  expect(printed.map(([line]) => String(line).trim())).toEqual(Array<string>(3).fill(join(folder.path, 'thing')));
  await Promise.all(askers.map((each) => each.exited));
  expect(await readFile(built, 'utf8')).toBe('x');
  expect(await readFile(join(folder.path, 'thing/result'), 'utf8')).toBe('good');
});

test('a build whose process was killed is taken over by the one that waits for it', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-cache-'));
  const dying = asker(
    folder.path,
    `console.log('building'); await new Promise((resolve) => setTimeout(resolve, 1e6));`,
  );
  expect(String((await dying.printed)[0]).trim()).toBe('building');
  const waiting = asker(folder.path, `writeFileSync(folder + '/result', 'good');`);
  dying.child.kill('SIGKILL');
  expect(String((await waiting.printed)[0]).trim()).toBe(join(folder.path, 'thing'));
  await Promise.all([dying.exited, waiting.exited]);
  expect(await readdir(join(folder.path, 'thing'))).toEqual(['result']);
});

test('a build that fails leaves nothing that counts as a result', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-cache-'));
  await writeFile(join(folder.path, 'other'), '');
  const build = `writeFileSync(folder + '/half', ''); console.log('building'); throw new Error('as asked');`;
  const failing = asker(folder.path, build, 'ignore');
  expect(String((await failing.printed)[0]).trim()).toBe('building');
  expect((await failing.exited)[0]).not.toBe(0);
  expect(await readdir(folder.path)).toEqual(['other']);
});

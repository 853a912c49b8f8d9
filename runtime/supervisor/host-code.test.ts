import { spawnSync } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../test-folder.ts';
import { compileHostCode, hostCode } from './host-code.ts';
import { NODE_FLAGS } from './hosts.ts';

const TIMEOUT_MS = 60_000;

/** Runs a host that is told nothing: descriptors 3 and 4 are a host's protocol. */
function run(code: string): { status: number | null; stderr: string } {
  const script = 'exec 3<>/dev/null 4<>/dev/null; exec "$@"';
  const args = ['-c', script, 'sh', process.execPath, ...NODE_FLAGS, code];
  const { status, stderr } = spawnSync('sh', args, { encoding: 'utf8' });
  return { status, stderr };
}

const RAN = { status: 0, stderr: '' };

test('the code of hosts is made once for a release, and that of others removed', async () => {
  using folder = testFolder();
  await mkdir(join(folder.path, 'host-0123456789abcdef'));
  await writeFile(join(folder.path, 'host-0123456789abcdef.cjs'), '');
  const code = await hostCode(folder.path);
  await writeFile(join(dirname(code), 'mark'), '');
  expect(await hostCode(folder.path)).toBe(code);
  expect(await readdir(dirname(code))).toContain('mark');
  expect((await readdir(folder.path)).length).toBe(1);
});

test('hosts make use of what was compiled ahead, and start all the same without it, or where it is damaged', async () => {
  using folder = testFolder();
  const code = await hostCode(folder.path);
  const [bundle, cache] = ['bundle.js', 'bundle.cache'].map((name) => join(dirname(code), name));
  expect(run(code)).toEqual(RAN);
  await compileHostCode(code, AbortSignal.timeout(TIMEOUT_MS));
  expect(run(code)).toEqual(RAN);
  const { stdout } = spawnSync(process.execPath, [...NODE_FLAGS, '--print', IS_USED, bundle!, cache!], {
    encoding: 'utf8',
  });
  expect(stdout).toBe('true\n');
  await writeFile(cache!, 'nonsense');
  expect(run(code)).toEqual(RAN);
});

const IS_USED = `
const [, bundle, cache] = process.argv;
const source = fs.readFileSync(bundle, 'latin1');
!new vm.Script(source, { cachedData: fs.readFileSync(cache) }).cachedDataRejected`;

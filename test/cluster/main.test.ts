import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test, vi } from 'vitest';
import { createKubectl } from '../support/kubectl.ts';
import { describeOnCluster, useCluster } from '../support/fixture.ts';
import { PATIENCE } from '../support/patience.ts';

/** `npm run cluster` with a temporary folder of its own, by which all that it starts and writes is known. */
async function startMain(folder: string) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
  let kubeconfig: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    kubeconfig ??= /^\s*export KUBECONFIG=(.+)$/.exec(line)?.[1];
    if (line === 'Ctrl-C ends all of it.') break;
  }
  if (kubeconfig === undefined) throw new Error('no KUBECONFIG line');
  return { child, exited, kubectl: createKubectl(useCluster().kubectlPath, kubeconfig, join(folder, 'cache')) };
}

/** Command lines of the processes that name the folder in their arguments. */
async function processesOf(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')));
  return lines.filter((line) => line.includes(folder)).map((line) => line.replaceAll('\0', ' '));
}

describeOnCluster('npm run cluster', () => {
  test.for([['SIGINT'], ['SIGTERM']] as const)(
    'serves until %s, then leaves no process and no file',
    async ([signal]) => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-main-'));
      const { child, exited, kubectl } = await startMain(folder.path);
      expect(await kubectl.ok(['get', 'namespace', 'default', '-o', 'name'])).toBe('namespace/default\n');
      expect(await processesOf(folder.path)).not.toEqual([]);
      child.kill(signal);
      expect(await exited).toEqual([0, null]);
      expect(await processesOf(folder.path)).toEqual([]);
      expect((await readdir(folder.path)).filter((name) => name.startsWith('wasmlet-'))).toEqual([]);
    },
  );

  test('leaves no process and no file either when it is killed', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-main-'));
    const { child, exited } = await startMain(folder.path);
    child.kill('SIGKILL');
    await exited;
    await vi.waitFor(
      async () => {
        expect(await processesOf(folder.path)).toEqual([]);
        expect((await readdir(folder.path)).filter((name) => name.startsWith('wasmlet-'))).toEqual([]);
      },
      { ...PATIENCE, interval: 100 },
    );
  });
});

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Pod } from '../../agent/kube/types.ts';
import { containerStatus, describeScene, isEnded, type Namespace, type Scene } from '../e2e/scene.ts';
import { failOnCi } from '../support/missing.ts';
import { pushImage } from '../support/push.ts';
import { ARGUMENTS, CORPUS, ENV, EXIT_CODE, expected, PROGRAMS, WORK, type Program } from './corpus.ts';

/** For building guests and their toolchains, once. */
const TIMEOUT_MS = 30 * 60_000;
const POD_TIMEOUT_MS = 120_000;

async function imageOf(scene: Scene, { name, module }: Program): Promise<string> {
  const repository = `corpus/${name}`;
  const wasm = await module();
  const { reference } = await pushImage({ registry: scene.cluster.registry, repository, tag: '1', wasm });
  return reference;
}

function podOf(namespace: Namespace, { name, command }: Program, image: string): Pod {
  return namespace.pod({
    name,
    image,
    command,
    args: [WORK, ...ARGUMENTS],
    container: {
      env: Object.entries(ENV).map(([name, value]) => ({ name, value })),
      volumeMounts: [
        { name: 'work', mountPath: WORK },
        { name: 'programs', mountPath: PROGRAMS },
      ],
    },
    spec: {
      volumes: [
        { name: 'work', emptyDir: {} },
        { name: 'programs', configMap: { name: 'programs' } },
      ],
    },
  });
}

describeScene('the corpus in pods', (scene) => {
  test('every program at once: output and exit code are as wasmtime has them', { timeout: TIMEOUT_MS }, async () => {
    const skipped = await Promise.all(CORPUS.map(async (program) => [program.name, await program.whyNot()] as const));
    const missing = new Map(skipped.filter(([, why]) => why !== undefined));
    for (const [name, why = ''] of missing) {
      failOnCi(`${name}: ${why}`);
      process.stderr.write(`skipped: ${name}: ${why}\n`);
    }
    const programs = CORPUS.filter(({ name }) => !missing.has(name));

    await using namespace = await scene().namespace();
    const script = join(import.meta.dirname, '../workloads/python/work.py');
    const data = { 'work.py': await readFile(script, 'utf8') };
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'programs' }, data };
    await namespace.apply(map);
    for (const program of programs) {
      await namespace.apply(podOf(namespace, program, await imageOf(scene(), program)));
    }
    for (const program of programs) {
      const pod = await namespace.waitForPod(program.name, isEnded, POD_TIMEOUT_MS);
      const lines = (await namespace.kubectl('logs', program.name)).split('\n');
      // One log has both streams: their order is that of the writes, which a buffer may put off.
      const error = lines.indexOf('to standard error');
      expect([program.name, error]).not.toEqual([program.name, -1]);
      expect(lines.toSpliced(error, 1).join('\n')).toBe(expected(program));
      expect(containerStatus(pod)?.state?.terminated).toMatchObject({ exitCode: EXIT_CODE, reason: 'Error' });
    }
  });
});

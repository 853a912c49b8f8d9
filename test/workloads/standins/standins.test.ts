import { mkdir, mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../support/command.ts';
import { skipWithout } from '../../support/missing.ts';
import { freePort } from '../../support/ports.ts';
import { pushFolder } from '../../support/push-folder.ts';
import type { Scene } from '../../e2e/scene.ts';
import { containerStatus, describeScene, isEnded, isReady } from '../../e2e/scene.ts';
import { findWasmtime, runUnderWasmtime } from '../../support/wasmtime.ts';
import { buildStandIns, whyNoStandIns } from './build.ts';
import { IMAGES } from './images.ts';

/** Seconds are enough for a run of a script, minutes for the first build. */
const BUILD_TIMEOUT_MS = 600_000;

/** What a shell does with processes, descriptors and signals, which Wasm has none of: as dash does it. */
const SCRIPT = String.raw`
set -eu
echo "pipes: $(printf 'b\na\nc\n' | sort | head -n 2 | tr a-z A-Z | xargs)"
f() { local x=$1; echo "function $x $#"; return 3; }
f a b || echo "returned $?"
cat <<END > here
here-document $(echo inner) $((6 * 7))
END
cat here
{ echo out; echo err >&2; } 2>&1 | sort
(exit 4) & wait $! || echo "job $?"
sleep 100 & kill $!; wait $! 2>/dev/null || echo "killed $?"
exec 3> f; echo three >&3; exec 3>&-; cat f
for n in 1 2 3; do [ $n = 2 ] && continue; echo $n; done
mkdir -p d/e; touch d/e/x.txt; find d -name '*.txt'; rm -r d here f
printf '%s|%05d\n' text 42
trap 'echo bye $?' EXIT
sh -c 'exit 7' || echo "child $?"
exit 5`;

const IN_GUEST = `cd /tmp\n${SCRIPT}`;

/** In a folder of its own: it lists and removes what it finds. */
async function runHere(): ReturnType<typeof run> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-shell-'));
  return await run('sh', ['-c', SCRIPT], { cwd: folder.path });
}

async function pushed(scene: Scene, name: string): Promise<string> {
  const standIn = (await buildStandIns()).find((image) => image.name === name);
  if (!standIn) throw new Error(`no stand-in ${name}`);
  const { folder, config } = standIn;
  const repository = `standins/${name}`;
  await pushFolder({ registry: scene.cluster.registry, repository, tag: '1', folder, config });
  return `${scene.cluster.registry}/${repository}:1`;
}

describeScene(
  'stand-ins in pods',
  (scene) => {
    test('the shell does what the shell of this machine does', { timeout: BUILD_TIMEOUT_MS }, async () => {
      await using namespace = await scene().namespace();
      const image = await pushed(scene(), 'busybox');
      await namespace.apply(namespace.pod({ name: 'script', image, command: ['sh', '-c', IN_GUEST] }));
      const pod = await namespace.waitForPod('script', isEnded);
      const reference = await runHere();
      expect(await namespace.kubectl('logs', 'script')).toBe(reference.stdout);
      expect(containerStatus(pod)?.state?.terminated?.exitCode).toBe(reference.exitCode);
    });

    test('modes, owners and traps are there by the extension', { timeout: BUILD_TIMEOUT_MS }, async () => {
      await using namespace = await scene().namespace();
      const image = await pushed(scene(), 'busybox');
      const script = [
        "cd /tmp; umask 027; touch f; stat -c '%a' f; chmod u+x,o=r f; stat -c '%A' f; mkdir -m 700 d; stat -c '%a' d",
        "trap 'echo got TERM; exit 9' TERM; touch ready; while :; do sleep 0.1; done",
      ].join('; ');
      const readinessProbe = { exec: { command: ['test', '-f', '/tmp/ready'] }, periodSeconds: 1 };
      await namespace.apply(
        namespace.pod({ name: 'modes', image, command: ['sh', '-c', script], container: { readinessProbe } }),
      );
      await namespace.waitForPod('modes', isReady);
      const follow = namespace.kubectl('logs', '-f', 'modes');
      await namespace.kubectl('delete', 'pod', 'modes', '--grace-period=30', '--wait=false');
      expect(await follow).toBe('640\n-rwxr--r--\n700\ngot TERM\n');
    });

    test('agnhost serves, and wget of another pod reaches it', { timeout: BUILD_TIMEOUT_MS }, async () => {
      await using namespace = await scene().namespace();
      const agnhost = await pushed(scene(), 'agnhost');
      const port = await freePort();
      const args = ['netexec', `--http-port=${port}`, `--udp-port=${await freePort()}`];
      const readinessProbe = { httpGet: { path: '/healthz', port }, periodSeconds: 1 };
      await namespace.apply(namespace.pod({ name: 'server', image: agnhost, args, container: { readinessProbe } }));
      await namespace.waitForPod('server', (pod) => isReady(pod) || isEnded(pod));
      const url = `http://127.0.0.1:${port}`;
      const busybox = await pushed(scene(), 'busybox');
      const script = `wget -qO- '${url}/echo?msg=hello'; echo; wget -qO- '${url}/shell?cmd=echo+a|tr+a+b'; wget -q ${url}/echo?code=500 2>/dev/null`;
      await namespace.apply(namespace.pod({ name: 'client', image: busybox, command: ['sh', '-c', script] }));
      const pod = await namespace.waitForPod('client', isEnded);
      expect(await namespace.kubectl('logs', 'client')).toContain('hello\n{"output":"b\\n"}');
      expect(containerStatus(pod)?.state?.terminated?.exitCode).toBe(1);
    });
  },
  { guestAllowLoopback: true },
);

const why = await whyNoStandIns();

describe.skipIf(why !== undefined)('plain stand-ins', () => {
  test(
    'the shell and its programs need WASI alone: they run under wasmtime',
    { timeout: BUILD_TIMEOUT_MS },
    async ({ skip }) => {
      const wasmtime = await findWasmtime();
      if ('missing' in wasmtime) {
        skipWithout(skip, wasmtime.missing);
        return;
      }
      const busybox = (await buildStandIns('plain')).find(({ name }) => name === 'busybox');
      const folder = busybox?.folder ?? '';
      await mkdir(join(folder, 'tmp'), { recursive: true });
      const guest = await runUnderWasmtime(wasmtime, {
        module: join(folder, 'bin/busybox'),
        args: ['sh', '-c', IN_GUEST],
        env: { PATH: '/bin' },
        folders: { '/': folder },
      });
      const reference = await runHere();
      expect(guest.stdout).toBe(reference.stdout);
      expect(guest.exitCode).toBe(reference.exitCode);
    },
  );

  test('each module imports nothing but Preview 1', { timeout: BUILD_TIMEOUT_MS }, async () => {
    for (const { folder, name } of await buildStandIns('plain')) {
      const { program = '' } = IMAGES.find((image) => image.name === name) ?? {};
      const module = await WebAssembly.compile(await readFile(join(folder, program)));
      const imported = new Set(WebAssembly.Module.imports(module).map((entry) => entry.module));
      expect([name, ...imported]).toEqual([name, 'wasi_snapshot_preview1']);
    }
  });
});

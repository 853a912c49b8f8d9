import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startRegistry } from '../cluster/registry.ts';
import { describeScene } from '../e2e/scene.ts';
import { needCommands } from './commands.ts';
import { exampleNames, readExample, runExample } from './example.ts';

/** For building toolchains, once. */
const TIMEOUT_MS = 30 * 60_000;

const ALONE = [
  ...['hello', 'hello-go', 'hello-rust', 'hello-zig', 'hello-assemblyscript', 'hello-python'],
  ...['cronjob', 'reload'],
] as const;

describeScene('an example', (scene) => {
  test.concurrent.for(ALONE)(
    '%s: all that its README says, as it says',
    { timeout: TIMEOUT_MS },
    async (name, { skip }) => {
      await needCommands(skip);
      await using namespace = await scene().namespace();
      const env = { REGISTRY: scene().cluster.registry };
      expect(await runExample(name, { scene: scene(), namespace, env })).toBe((await readExample(name)).output);
    },
  );

  test('private-registry: all that its README says, as it says', { timeout: TIMEOUT_MS }, async ({ skip }) => {
    await needCommands(skip);
    const [username, password] = ['reader', 'of examples'];
    await using registry = await startRegistry({ htpasswd: { username, password } });
    await using namespace = await scene().namespace();
    const login = await mkdtemp(join(tmpdir(), 'wasmlet-login-'));
    try {
      // What `docker login` leaves.
      const auth = Buffer.from(`${username}:${password}`).toString('base64');
      await writeFile(join(login, 'config.json'), JSON.stringify({ auths: { [registry.address]: { auth } } }));
      const env = { REGISTRY: registry.address, USERNAME: username, PASSWORD: password, DOCKER_CONFIG: login };
      const name = 'private-registry';
      expect(await runExample(name, { scene: scene(), namespace, env })).toBe((await readExample(name)).output);
    } finally {
      await rm(login, { recursive: true });
    }
  });

  test('each is run by a test', async () => {
    expect((await exampleNames()).toSorted()).toEqual([...ALONE, 'private-registry', 'web', 'pipeline'].toSorted());
  });
});

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { counts } from './test-guests.ts';
import { TestRuntime, until } from './test-runtime.ts';

/** A supervisor that nobody needs ends within twice the ten seconds between its looks. */
const LONGER_MS = 21_000;
const TIMEOUT_MS = 90_000;

test(
  'a supervisor without a client stays while a pod is there, then ends with the host that waits; the next client has another',
  { timeout: 2 * TIMEOUT_MS },
  async () => {
    await using runtime = await TestRuntime.start();
    const { sandbox, container } = await runtime.run(counts(2, LONGER_MS * 1_000_000));
    const pid = await runtime.supervisor();
    const { logPath } = await runtime.service.containerStatus(container);
    await runtime.withoutClient(async () => {
      await until(() => readFileSync(logPath, 'utf8').split('\n').length > 2, TIMEOUT_MS);
      expect(runtime.supervisors()).toEqual([pid]);
    });
    await runtime.service.removePodSandbox(sandbox);
    await runtime.withoutClient(async () => {
      await until(() => runtime.supervisors().length === 0, TIMEOUT_MS);
      await until(() => runtime.waitingHosts().length === 0);
    });
    expect(await runtime.supervisor()).not.toBe(pid);
  },
);

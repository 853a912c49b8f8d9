import { afterEach, describe, expect, test } from 'vitest';
import { missingSystemCalls } from './sandbox/linux/call.ts';
import { findLauncher } from './sandbox/linux/launcher.ts';
import { mapOf } from './sandbox/linux/users.ts';
import type { UserIds } from './service.ts';
import { SLEEPS } from './test-guests.ts';
import { TestRuntime, until } from './test-runtime.ts';

/** Nodes that may give few hosts users of their own, or share them with others. */

const TIMEOUT = { timeout: 300_000 };
const isAble = process.geteuid?.() === 0 && missingSystemCalls() === undefined && findLauncher() === 'perl';

const PER_HOST = 65_536;
const few = (first: number, hosts: number, perHost = PER_HOST): UserIds => ({ first, count: hosts * perHost, perHost });

const runtimes: TestRuntime[] = [];
afterEach(async () => {
  for (const runtime of runtimes.splice(0)) await runtime[Symbol.asyncDispose]();
}, TIMEOUT.timeout);

async function start(userIds: UserIds): Promise<TestRuntime> {
  const runtime = await TestRuntime.start(undefined, { userIds });
  runtimes.push(runtime);
  return runtime;
}

const firstIdOf = (pid: number): number | undefined => mapOf(pid)?.first;

/** First ids of all hosts of these nodes: of those that wait for a container too. */
const firstIds = (...nodes: TestRuntime[]): number[] =>
  nodes.flatMap((node) =>
    node.hosts().flatMap((pid) => {
      try {
        return firstIdOf(pid) ?? [];
      } catch {
        // It has just ended.
        return [];
      }
    }),
  );

const NO_SLOT =
  /^create user namespace: could not find an empty slot to allocate a user namespace: all 2 ranges of 65536 ids/;

describe.runIf(isAble)('with ids for few hosts', () => {
  test(
    'no sandbox is made while all are taken, and the node is ready still; one is once a host has ended',
    TIMEOUT,
    async () => {
      const runtime = await start(few(0x58000000, 2));
      const { sandbox, container } = await runtime.run(SLEEPS);
      const { container: second } = await runtime.run(SLEEPS);
      expect(new Set([container, second].map((id) => firstIdOf(runtime.hostPid(id)))).size).toBe(2);

      const { service } = runtime;
      await expect(service.runPodSandbox(runtime.sandboxConfig(), 'wasm')).rejects.toMatchObject({
        code: 'ResourceExhausted',
        message: expect.stringMatching(NO_SLOT) as string,
      });
      expect((await service.listPodSandbox()).length).toBe(2);
      const { conditions } = await service.status();
      expect(conditions).toContainEqual({ type: 'RuntimeReady', status: true, reason: '', message: '' });
      // Which needs none.
      await service.runPodSandbox({ ...runtime.sandboxConfig(), hostUsers: true }, 'wasm');

      const freed = firstIdOf(runtime.hostPid(container));
      await service.removePodSandbox(sandbox);
      const { container: third } = await runtime.run(SLEEPS);
      expect(firstIdOf(runtime.hostPid(third))).toBe(freed);
    },
  );

  test(
    'a container whose sandbox has come before they were all taken tells so, and starts later',
    TIMEOUT,
    async () => {
      const runtime = await start(few(0x58100000, 2));
      const { service } = runtime;
      const waiting = await service.runPodSandbox(runtime.sandboxConfig(), 'wasm');
      const { sandbox } = await runtime.run(SLEEPS);
      await runtime.run(SLEEPS);
      const container = await service.createContainer(waiting, await runtime.containerConfig(SLEEPS));
      await expect(service.startContainer(container)).rejects.toMatchObject({ code: 'ResourceExhausted' });
      await service.removePodSandbox(sandbox);
      const again = { ...(await runtime.containerConfig(SLEEPS)), metadata: { name: 'main', attempt: 1 } };
      const next = await service.createContainer(waiting, again);
      await service.startContainer(next);
      expect((await service.containerStatus(next)).state).toBe('CONTAINER_RUNNING');
    },
  );

  test('a supervisor that starts when all are taken knows whose they are, and confines no less', TIMEOUT, async () => {
    const runtime = await start(few(0x58200000, 2));
    const { sandbox, container } = await runtime.run(SLEEPS);
    const { container: second } = await runtime.run(SLEEPS);
    const before = [container, second].map((id) => firstIdOf(runtime.hostPid(id)));
    await runtime.killSupervisor();
    await runtime.answers();
    const { service } = runtime;
    expect([container, second].map((id) => firstIdOf(runtime.hostPid(id)))).toEqual(before);
    await expect(service.runPodSandbox(runtime.sandboxConfig(), 'wasm')).rejects.toThrow(NO_SLOT);
    await service.removePodSandbox(sandbox);
    const { container: third } = await runtime.run(SLEEPS);
    expect(firstIdOf(runtime.hostPid(third))).toBe(before[0]);
  });

  test('two nodes of one machine never give the same ones', TIMEOUT, async () => {
    const ids = few(0x58300000, 8);
    const nodes = await Promise.all([start(ids), start(ids)]);
    const run = (node: TestRuntime) => node.run(SLEEPS);
    await Promise.all(nodes.flatMap((node) => [run(node), run(node), run(node)]));
    // A host waits in each.
    await until(() => firstIds(...nodes).length === 8);
    expect(firstIds(...nodes).toSorted()).toEqual(
      Array.from({ length: 8 }, (_, index) => ids.first + index * PER_HOST),
    );
  });

  test('hosts have those that the agent has configured last, and keep what they have', TIMEOUT, async () => {
    const runtime = await start(few(0x58400000, 4));
    const { container } = await runtime.run(SLEEPS);
    const held = firstIdOf(runtime.hostPid(container));
    const { options } = runtime;
    Object.assign(options, { userIds: few(0x58500000, 2, 2 * PER_HOST) });
    await runtime.withoutClient(() => Promise.resolve());
    const identity = {
      securityContext: { runAsUser: 70_000, runAsGroup: 0, supplementalGroups: [], readonlyRootfs: false },
    };
    const { container: next } = await runtime.run(SLEEPS, identity);
    expect(mapOf(runtime.hostPid(next))).toEqual({
      first: expect.toSatisfy((first: number) => first >= 0x58500000 && first < 0x58540000) as number,
      count: 2 * PER_HOST,
    });
    expect(firstIdOf(runtime.hostPid(container))).toBe(held);
  });
});

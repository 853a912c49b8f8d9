import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildGuest, whyNoGuest } from '../test/support/guests.ts';
import type { GuestName } from '../test/support/guests.ts';
import { SLEEPS, SPINS } from './test-guests.ts';
import { TestRuntime, until } from './test-runtime.ts';

/** Longer than any test: whoever waits for it fails. */
const GRACE_SECONDS = 600;
const BUILD_MS = 300_000;

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start();
});
afterAll(() => runtime[Symbol.asyncDispose]());

/** Starts a guest and waits until it says that it is ready to be stopped. */
async function startGuest(name: GuestName, args: readonly string[] = [], stopSignal?: string): Promise<string> {
  const image = { userSpecifiedImage: name, imageRef: 'sha256:0', module: await buildGuest(name) };
  const { container } = await runtime.run('(module)', {
    image,
    args: [name, ...args],
    ...(stopSignal === undefined ? {} : { stopSignal }),
  });
  await until(async () => (await runtime.output(container)).startsWith('ready\n'), 60_000);
  return container;
}

describe('a guest that has opened /dev/signal', () => {
  test.for<[GuestName]>([['signals-c'], ['signals-go'], ['signals-as']])(
    '%s cleans up when it is stopped, and ends by its own code',
    { timeout: BUILD_MS },
    async ([name], { skip }) => {
      const reason = await whyNoGuest(name);
      if (reason !== undefined) skip(reason);
      const container = await startGuest(name);
      await runtime.service.stopContainer(container, GRACE_SECONDS);
      expect(await runtime.output(container)).toBe('ready\nsignal 15: cleaning up\n');
      expect(await runtime.service.containerStatus(container)).toMatchObject({
        exitCode: 0,
        reason: 'Completed',
        stopSignal: 'SIGTERM',
      });
    },
  );

  test.for([
    ['sleep', 'ready\nnanosleep ended\nsignal 15: cleaning up\n'],
    ['compute', 'ready\nsignal 15: cleaning up\n'],
  ] as const)('and does nothing but %s hears of the stop', { timeout: BUILD_MS }, async ([way, output]) => {
    const container = await startGuest('signals-c', [way]);
    await runtime.service.stopContainer(container, GRACE_SECONDS);
    expect(await runtime.output(container)).toBe(output);
  });

  test.for([
    ['SIGUSR1', 10, 'SIGUSR1'],
    // Linux has another number for it, and ignores it where nobody takes it.
    ['SIGWINCH', 27, 'SIGWINCH'],
    ['SIGABRT', 6, 'SIGABRT'],
    // Has no number in Preview 1.
    ['SIGRTMIN+3', 15, 'SIGRTMIN+3'],
  ] as const)('hears of its own stop signal, %s, as %i', { timeout: BUILD_MS }, async ([stopSignal, number]) => {
    const container = await startGuest('signals-c', [], stopSignal);
    await runtime.service.stopContainer(container, GRACE_SECONDS);
    expect(await runtime.output(container)).toBe(`ready\nsignal ${number}: cleaning up\n`);
    expect(await runtime.service.containerStatus(container)).toMatchObject({ exitCode: 0, stopSignal });
  });

  test('is killed once its grace period is over', { timeout: BUILD_MS }, async () => {
    const container = await startGuest('signals-go', []);
    process.kill(runtime.hostPid(container), 'SIGSTOP');
    await runtime.service.stopContainer(container, 1);
    expect(await runtime.service.containerStatus(container)).toMatchObject({ exitCode: 137, reason: 'Error' });
  });
});

describe('a guest that asked for nothing', () => {
  test.for([
    ['SIGTERM', 143],
    ['SIGUSR1', 143],
    ['SIGWINCH', 143],
    ['SIGKILL', 137],
  ] as const)('ends at once by %s, with %i', async ([stopSignal, exitCode]) => {
    for (const guest of [SLEEPS, SPINS]) {
      const { container } = await runtime.run(guest, { stopSignal });
      await runtime.service.stopContainer(container, GRACE_SECONDS);
      expect(await runtime.service.containerStatus(container)).toMatchObject({ exitCode, message: '' });
    }
  });
});

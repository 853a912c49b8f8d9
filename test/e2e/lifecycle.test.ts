import { expect, test } from 'vitest';
import { containerStatus, describeScene, isEnded, isReady } from './scene.ts';

describeScene('the life of a pod', (scene) => {
  test('kubectl logs -f shows each line within a second, for ten seconds, and ends with the container', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'ticker', image: await scene().image('ticker'), args: ['200', '50'] }));
    await namespace.waitForPod('ticker', (pod) => containerStatus(pod)?.state?.running !== undefined || isEnded(pod));
    await using follow = scene().cluster.kubectl.stream(['-n', namespace.name, 'logs', '-f', '--timestamps', 'ticker']);
    const lines: string[] = [];
    let worst = 0;
    for await (const line of follow.lines) {
      const [time = '', number = ''] = line.split(' ');
      // What was printed before the follow began came at once with it: only what came live is timed.
      if (lines.length > 10) worst = Math.max(worst, Date.now() - Date.parse(time));
      lines.push(number);
    }
    expect(lines).toEqual(Array.from({ length: 50 }, (_, index) => String(index + 1)));
    expect(worst).toBeLessThan(1000);
  });

  test('kubectl logs knows tail, since, timestamps, limit-bytes and previous', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'ticker', image: await scene().image('ticker'), args: ['1', '20'] }));
    await namespace.waitForPod('ticker', isEnded);
    const logs = (...flags: string[]) => namespace.kubectl('logs', 'ticker', ...flags);
    const all = Array.from({ length: 20 }, (_, index) => `${index + 1}\n`);
    expect(await logs()).toBe(all.join(''));
    expect(await logs('--tail=3')).toBe(all.slice(-3).join(''));
    expect(await logs('--tail=0')).toBe('');
    expect(await logs('--limit-bytes=5')).toBe('1\n2\n3');
    expect(await logs('--since=1h')).toBe(all.join(''));
    expect(await logs('--since-time=2999-01-01T00:00:00Z')).toBe('');
    const [first = ''] = (await logs('--timestamps')).split('\n');
    expect(first).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) 1$/);
    await expect(logs('--previous')).rejects.toThrow(
      /previous terminated container "ticker" in pod "ticker" not found/,
    );
  });

  test('a failing container backs off as CrashLoopBackOff, longer each time, with its events and last state', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(
      namespace.pod({ name: 'crash', image: await scene().image('exit'), args: ['3'], restartPolicy: 'Always' }),
    );
    const seen = await namespace.watchPod(
      'crash',
      (pod) =>
        (containerStatus(pod)?.restartCount ?? 0) >= 2 &&
        containerStatus(pod)?.state?.waiting?.reason === 'CrashLoopBackOff',
      90_000,
    );
    const delays = seen
      .map((pod) => /^back-off (\d+)s restarting/.exec(containerStatus(pod)?.state?.waiting?.message ?? '')?.[1])
      .filter(Boolean);
    expect(new Set(delays)).toEqual(new Set(['10', '20']));
    expect(containerStatus(seen.at(-1)!)?.lastState?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
    const backOff = await namespace.waitForEvent('crash', ({ reason }) => reason === 'BackOff');
    expect(backOff.message).toMatch(/^Back-off restarting failed container crash in pod crash_/);
    expect(await namespace.kubectl('logs', 'crash', '--previous')).toBeDefined();
  }, 120_000);

  test('a pod is Ready by kubectl wait, described with its events in order, and deleted within its grace', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'sleeper', image: await scene().image('sleep') }));
    await namespace.kubectl('wait', '--for=condition=Ready', 'pod/sleeper', '--timeout=60s');
    await namespace.waitForEvent('sleeper', ({ reason }) => reason === 'Started');
    const described = await namespace.kubectl('describe', 'pod', 'sleeper');
    const order = ['Scheduled', 'Pulling', 'Pulled', 'Created', 'Started'].map((reason) =>
      described.search(new RegExp(`\\s${reason}\\s`)),
    );
    expect(order).not.toContain(-1);
    expect(order).toEqual(order.toSorted((a, b) => a - b));

    const before = performance.now();
    await namespace.kubectl('delete', 'pod', 'sleeper');
    // Default grace is 30 s: a guest that asked for no clean-up does not use it.
    expect(performance.now() - before).toBeLessThan(20_000);
    await namespace.waitForEvent(
      'sleeper',
      ({ reason, message }) => reason === 'Killing' && message === 'Stopping container sleeper',
    );
  });

  test('a guest that computes for ever is stopped and logged all the same', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'spin', image: await scene().image('spin') }));
    await namespace.waitForPod('spin', isReady);
    await namespace.kubectl('delete', 'pod', 'spin', '--grace-period=5');
  });

  test('init containers run first, one after the other', async () => {
    await using namespace = await scene().namespace();
    const image = await scene().image('exit');
    await namespace.apply(
      namespace.pod({
        name: 'main',
        image,
        args: ['0'],
        spec: {
          initContainers: [
            { name: 'first', image, args: ['0'] },
            { name: 'second', image, args: ['0'] },
          ],
        },
      }),
    );
    const pod = await namespace.waitForPod('main', isEnded);
    expect(pod.status?.phase).toBe('Succeeded');
    const ended = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].map(
      (status) => status.state?.terminated,
    );
    expect(ended.map((state) => state?.reason)).toEqual(['Completed', 'Completed', 'Completed']);
    const [first, second, main] = ended;
    expect(Date.parse(first?.finishedAt ?? '')).toBeLessThanOrEqual(Date.parse(second?.startedAt ?? ''));
    expect(Date.parse(second?.finishedAt ?? '')).toBeLessThanOrEqual(Date.parse(main?.startedAt ?? ''));
  });

  test.for([
    ['a privileged container', { container: { securityContext: { privileged: true } } }, /privileged/],
    ['hostPID', { spec: { hostPID: true } }, /hostPID/],
    ['another operating system', { spec: { os: { name: 'linux' }, nodeSelector: {} } }, /OS field/],
  ] as const)('%s is told as Failed, with a reason and what to change', async ([, change, words]) => {
    await using namespace = await scene().namespace();
    const image = await scene().image('exit');
    // Bound by name: what is tested is the node's own refusal, not the scheduler's.
    const pod = namespace.pod({ name: 'impossible', image, args: ['0'], ...change });
    pod.spec!.nodeName = scene().agent.nodeName;
    await namespace.apply(pod);
    const failed = await namespace.waitForPod('impossible', isEnded);
    expect(failed.status?.phase).toBe('Failed');
    expect(failed.status?.reason).toMatch(/^[A-Z][A-Za-z]+$/);
    expect(failed.status?.message).toMatch(words);
  });

  test('a pod that is deleted while it pulls goes at once', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'gone', image: `${scene().cluster.registry}/no/such:1` }));
    await namespace.waitForPod('gone', (pod) =>
      /ErrImagePull|ImagePullBackOff/.test(containerStatus(pod)?.state?.waiting?.reason ?? ''),
    );
    await namespace.kubectl('delete', 'pod', 'gone', '--timeout=20s');
  });
});

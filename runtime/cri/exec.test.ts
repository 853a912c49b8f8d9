import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { exits, prints, SLEEPS } from '../test-guests.ts';
import type { ExecSyncResponse } from './messages.ts';
import { TestCri } from './test-cri.ts';

test('a command runs in a container: output, exit code, time-out, and what is not there', async () => {
  await using cri = await TestCri.start();
  const image = await cri.pullTree('tools', {
    'bin/app': SLEEPS,
    'bin/hello': prints('hello\n'),
    'bin/complain': prints('oh\n', '', 2),
    'bin/seven': exits(7),
  });
  const { containerId } = await cri.run(image);
  const execSync = async (cmd: string[], timeout = 0) => {
    const answer = await cri.client.call<ExecSyncResponse>('execSync', { containerId, cmd, timeout });
    return [String(answer.stdout), String(answer.stderr), answer.exitCode];
  };
  expect(await execSync(['/bin/hello'])).toEqual(['hello\n', '', 0]);
  expect(await execSync(['/bin/complain'], 10)).toEqual(['', 'oh\n', 0]);
  expect(await execSync(['/bin/seven'])).toEqual(['', '', 7]);
  // What the kubelet takes for a probe that timed out.
  await expect(execSync(['/bin/app'], 1)).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED });
  await expect(execSync(['/bin/none'])).rejects.toMatchObject({
    details: expect.stringMatching(/^failed to exec in container: .*\/bin\/none/) as string,
  });
  await cri.client.call('stopContainer', { containerId, timeout: 0 });
  await expect(execSync(['/bin/hello'])).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
});

test('what is not served says so, and what to do', async () => {
  await using cri = await TestCri.start();
  for (const method of ['exec', 'attach', 'portForward']) {
    await expect(cri.client.call(method)).rejects.toMatchObject({
      code: status.UNIMPLEMENTED,
      details: expect.stringMatching(/^wasmlet does not serve .*; /) as string,
    });
  }
});

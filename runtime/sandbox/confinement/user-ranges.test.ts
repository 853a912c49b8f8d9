import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { IDS_PER_HOST, UserRanges } from './user-ranges.ts';

describe.runIf(process.platform === 'linux')('the users of hosts', () => {
  test('are ranges apart from each other and from all that the machine gives away', () => {
    const ranges = new UserRanges();
    const taken = Array.from({ length: 200 }, () => {
      const range = ranges.take();
      ranges.hold(range, process.pid);
      return range;
    });
    const firsts = taken.map(({ first }) => first);
    expect(new Set(firsts).size).toBe(200);
    for (const { first, count } of taken) {
      expect(count).toBe(IDS_PER_HOST);
      expect(first % IDS_PER_HOST).toBe(0);
      // systemd.io/UIDS-GIDS: what is called unused there.
      expect(first).toBeGreaterThanOrEqual(1879048192);
      expect(first + count).toBeLessThanOrEqual(2147483648);
    }
  });

  test('are not given twice, and are free again when their process has ended', async () => {
    const ranges = new UserRanges(2);
    const other = spawn('sleep', ['600'], { stdio: 'ignore' });
    const first = ranges.take();
    ranges.hold(first, other.pid ?? 0);
    ranges.hold(ranges.take(), process.pid);
    expect(() => ranges.take()).toThrow(/^there are 2 hosts, and no users for another one$/);
    other.kill('SIGKILL');
    await once(other, 'exit');
    expect(ranges.take()).toEqual(first);
  });
});

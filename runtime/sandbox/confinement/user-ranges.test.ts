import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../../test-folder.ts';
import { missingSystemCalls } from '../linux/call.ts';
import { findLauncher } from '../linux/launcher.ts';
import { isSomebody } from '../linux/users.ts';
import { defaultUserIds, UNIT } from './user-ids.ts';
import { UserRanges } from './user-ranges.ts';

/** Of no machine, as far as these tests go. */
const FIRST = 0x60000000;
const few = (hosts: number, perHost = UNIT) => ({ first: FIRST, count: hosts * perHost, perHost });

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

const isAble = process.geteuid?.() === 0 && findLauncher() === 'perl';

const sleeper = (uid?: number): ChildProcess =>
  spawn('sleep', ['600'], { stdio: 'ignore', ...(uid === undefined ? {} : { uid, gid: uid }) });

describe.runIf(missingSystemCalls() === undefined)('the users of hosts', () => {
  test('are ranges apart from each other and from all that the machine gives away', () => {
    using folder = testFolder();
    const ranges = new UserRanges(defaultUserIds(), join(folder.path, 'locks'));
    const taken = Array.from({ length: 200 }, () => {
      const range = ranges.take();
      ranges.hold(range, process.pid);
      ranges.settle(range);
      return range;
    });
    const firsts = taken.map(({ first }) => first);
    expect(new Set(firsts).size).toBe(200);
    for (const { first, count } of taken) {
      expect(count).toBe(UNIT);
      expect(first % UNIT).toBe(0);
      // systemd.io/UIDS-GIDS: what is called unused there.
      expect(first).toBeGreaterThanOrEqual(1879048192);
      expect(first + count).toBeLessThanOrEqual(2147483648);
    }
  });

  test('are not given twice, and are free again when their process has ended', async () => {
    using folder = testFolder();
    const ranges = new UserRanges(few(2), join(folder.path, 'locks'));
    const other = sleeper();
    const first = ranges.take();
    ranges.hold(first, other.pid ?? 0);
    const second = ranges.take();
    expect(second.first).not.toBe(first.first);
    // It is not seen to have a process yet.
    expect(() => ranges.take()).toThrow(
      'create user namespace: could not find an empty slot to allocate a user namespace: ' +
        'all 2 ranges of 65536 ids from 1610612736 on are taken',
    );
    ranges.hold(second, process.pid);
    for (const range of [first, second]) ranges.settle(range);
    expect(() => ranges.take()).toThrow('could not find an empty slot');
    await end(other);
    expect(ranges.take()).toEqual(first);
  });

  test('are not given by two supervisors of a machine that start hosts at the same time', () => {
    using folder = testFolder();
    const path = join(folder.path, 'locks');
    const [one, other] = [new UserRanges(few(40), path), new UserRanges(few(40), path)];
    const taken = Array.from({ length: 20 }, () => [one.take(), other.take()]).flat();
    expect(new Set(taken.map(({ first }) => first)).size).toBe(40);
    expect(() => one.take()).toThrow('could not find an empty slot');
    const [given] = taken;
    if (given) one.settle(given);
    expect(other.take()).toEqual(given);
  });

  test('of different sizes do not overlap', () => {
    using folder = testFolder();
    const path = join(folder.path, 'locks');
    const small = new UserRanges(few(4), path);
    const large = new UserRanges(few(2, 2 * UNIT), path);
    const { first, count } = large.take();
    expect(count).toBe(2 * UNIT);
    const taken = [small.take(), small.take()];
    for (const each of taken) expect(Math.floor((each.first - FIRST) / count)).not.toBe((first - FIRST) / count);
    expect(() => small.take()).toThrow('could not find an empty slot');
    // As when idsPerPod is changed while hosts run.
    small.configure(few(2, 2 * UNIT));
    for (const each of taken) small.hold(each, process.pid);
    for (const each of taken) small.settle(each);
    large.settle({ first, count });
    expect(small.take()).toEqual({ first, count });
  });

  test.runIf(process.geteuid?.() === 0)('are not those of a process that nobody here has started', async () => {
    using folder = testFolder();
    const path = join(folder.path, 'locks');
    const ranges = new UserRanges(few(2), path);
    const other = sleeper(FIRST + UNIT);
    await once(other, 'spawn');
    const taken = ranges.take();
    expect(taken.first).toBe(FIRST);
    expect(() => ranges.take()).toThrow('could not find an empty slot');
    await end(other);
    expect(ranges.take().first).toBe(FIRST + UNIT);
  });

  test.runIf(isAble)('are free again although its parent was not told of the end of a process', async () => {
    using folder = testFolder();
    const ranges = new UserRanges(few(1), join(folder.path, 'locks'));
    const program = 'my $pid = fork; if (!$pid) { POSIX::setuid($ARGV[0]); exit } syswrite STDOUT, $pid; sleep 600';
    const parent = spawn('perl', ['-MPOSIX', '-e', program, String(FIRST)], { stdio: ['ignore', 'pipe', 'ignore'] });
    const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
    await expect
      .poll(() => readFileSync(`/proc/${String(pid)}/status`, 'utf8'), { timeout: 60_000 })
      .toMatch(/^State:\s+Z.*^Uid:\s+1610612736\s/ms);
    expect(isSomebody(FIRST)).toBe(true);
    expect(ranges.take().first).toBe(FIRST);
    await end(parent);
  });

  test('can be had where no lock can be made', () => {
    using folder = testFolder();
    const ranges = new UserRanges(few(2), join(folder.path, 'locks', '\0'));
    expect(new Set([ranges.take().first, ranges.take().first]).size).toBe(2);
  });
});

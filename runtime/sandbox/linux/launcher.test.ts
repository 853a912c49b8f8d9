import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { missingSystemCalls } from './call.ts';
import { findLauncher, launch, LAUNCH_FAILED_EXIT_CODE, step } from './launcher.ts';
import type { LauncherKind } from './launcher.ts';
import { ARCHITECTURES } from './numbers.ts';
import { hostFilter } from './seccomp.ts';

const PR_SET_NO_NEW_PRIVS = 38;
const RLIMIT_CORE = 4;

const isAble = missingSystemCalls() === undefined;
const kinds: LauncherKind[] = findLauncher() === 'perl' ? ['perl', 'node'] : ['node'];

/** Shows what a process is confined by, without starting another. */
const SHOW = 'while read line; do echo "$line"; done < /proc/self/status; ulimit -c; kill -0 $$ || echo refused';

describe.runIf(isAble).each(kinds)('the launcher in %s', (kind) => {
  const run = (...[steps, command]: [Parameters<typeof launch>[1], string]) => {
    const [program, args] = launch(kind, steps, 3, ['/bin/sh', ['-c', command, 'sh', 'given']]);
    return spawnSync(program, args, {
      encoding: 'utf8',
      env: { KEPT: 'yes' },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
  };

  test('hands on the descriptors that it was given', () => {
    const { output } = run([], 'echo through >&3');
    expect(output[3]).toBe('through\n');
  });

  test('makes the calls, then becomes the program with its arguments and environment', () => {
    const folder = step('chdir', '/proc');
    expect(run([folder], 'echo "$PWD $(pwd -P) $1 $KEPT"')).toMatchObject({
      status: 0,
      stdout: '/proc /proc given yes\n',
    });
  });

  test('puts upon the program what a host is confined by', () => {
    const filter = hostFilter(ARCHITECTURES[process.arch]!);
    const { stdout, status } = run(
      [
        step('prlimit64', 0, RLIMIT_CORE, Buffer.alloc(16), 0),
        step('prctl', PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        step('seccomp', 1, 0, { filter }),
      ],
      SHOW,
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(stdout).toMatch(/^Seccomp:\s+2$/m);
    expect(stdout).toMatch(/^0\nrefused\n$/m);
  });

  test('ends with the name of a call that fails, and runs nothing', () => {
    const { status, stdout, stderr } = run([step('chdir', '/nowhere')], 'echo ran');
    expect({ status, stdout }).toEqual({ status: LAUNCH_FAILED_EXIT_CODE, stdout: '' });
    expect(stderr).toMatch(/^chdir: (No such file or directory|ENOENT)\n/);
  });
});

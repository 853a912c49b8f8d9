import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../runtime/test-folder.ts';

const UNIT = join(import.meta.dirname, '../manifests/systemd/wasmlet.service');
const PROGRAM = '/opt/wasmlet/node_modules/.bin/wasmlet';
/** The first release of systemd that knows DelegateSubgroup. */
const KNOWS_SUBGROUPS = 254;

/** undefined: not installed. */
function version(): number | undefined {
  const { status, stdout } = spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' });
  return status === 0 ? Number(/^systemd (\d+)/.exec(stdout)?.[1]) : undefined;
}

const installed = version();

test('the unit leaves the pods alone when the agent is stopped, and has their control groups delegated', () => {
  const settings = readFileSync(UNIT, 'utf8').split('\n');
  expect(settings).toContain('KillMode=process');
  expect(settings).toContain('Delegate=yes');
  expect(settings).toContain(`ExecStart=${PROGRAM} agent --config /etc/wasmlet/config.yaml`);
});

test.skipIf(installed === undefined)('systemd finds no fault with the unit', () => {
  using folder = testFolder();
  const unit = join(folder.path, 'wasmlet.service');
  // The program that it names need not be installed here.
  writeFileSync(unit, readFileSync(UNIT, 'utf8').replace(PROGRAM, process.execPath));
  const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' });
  const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('wasmlet.service'));
  const known = (installed ?? 0) >= KNOWS_SUBGROUPS;
  expect(complaints.filter((line) => known || !/Unknown key (name )?'DelegateSubgroup'/.test(line))).toEqual([]);
  expect(status).toBe(0);
});

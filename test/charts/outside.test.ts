import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { putHostProgram } from '../../agent/node/host-program.ts';
import { errnoOf } from '../../base/errors.ts';
import { lockHolder } from '../../base/lock.ts';
import { createLogger } from '../../base/log.ts';
import { isAlive } from '../../base/process.ts';
import { PROJECT } from '../support/agent.ts';
import { whyNoGo } from '../support/tools.ts';
import { CHART, createHelm, objectsOf } from './helm.ts';

/** Helm is built from source the first time, and the machine may be busy. */
const TIMEOUT_MS = 600_000;
const V2 = '/sys/fs/cgroup/cgroup.controllers';
/** Where the groups of containers are made here: any hierarchy shows who is in them. */
const GROUPS = existsSync(V2) ? '/sys/fs/cgroup' : '/sys/fs/cgroup/pids';

/** What the machine allows: mounts and control groups of a container's own. */
async function whyNot(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'needs root';
  if (existsSync('/run/systemd/system')) return 'the tests leave systemd alone';
  if (spawnSync('unshare', ['--mount', 'true']).status !== 0) return 'needs the right to mount';
  if (!existsSync(join(GROUPS, 'cgroup.procs'))) return 'needs control groups';
  return whyNoGo();
}

const why = await whyNot();

/** A container as far as it matters here: its own mounts, its own control group, and that all in it end with it. */
class Container implements AsyncDisposable {
  readonly group = join(GROUPS, `wasmlet-test-${randomBytes(4).toString('hex')}`);
  readonly #child: ChildProcess;

  constructor(command: readonly string[]) {
    mkdirSync(this.group);
    const enter = 'echo $$ > "$1/cgroup.procs"; shift; exec unshare --mount -- "$@"';
    this.#child = spawn('sh', ['-c', enter, 'enter', this.group, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  get mounts(): string {
    return readlinkSync(`/proc/${this.#child.pid ?? 0}/ns/mnt`);
  }

  async untilUp(): Promise<void> {
    if (this.#child.stdout) await once(this.#child.stdout, 'data');
  }

  /** As a container runtime does: whatever is in the group. */
  async end(): Promise<void> {
    const gone = once(this.#child, 'exit');
    for (const pid of readFileSync(join(this.group, 'cgroup.procs'), 'utf8').split('\n')) {
      if (pid !== '') process.kill(Number(pid), 'SIGKILL');
    }
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.end();
    // The kernel lets go of the group a moment after the last process.
    const isGone = () => {
      try {
        rmdirSync(this.group);
        return true;
      } catch (error) {
        return errnoOf(error) === 'ENOENT';
      }
    };
    await expect.poll(isGone, { timeout: 60_000 }).toBe(true);
  }
}

describe.skipIf(why !== undefined)(why === undefined ? 'mode full' : `mode full (skipped: ${why})`, () => {
  test(
    'has the runtime outside of the container, where an upgrade finds and ends it',
    { timeout: TIMEOUT_MS },
    async () => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-outside-'));
      const root = join(folder.path, 'root');
      mkdirSync(root);
      const helm = await createHelm(folder.path);
      const made = objectsOf(await helm.ok(['template', 'wasmlet', CHART, '--set', `mode=full,full.rootDir=${root}`]));
      const map = made.find(({ kind }) => kind === 'ConfigMap') as unknown as { data: { 'config.yaml': string } };
      const { runtimeLauncher } = parse(map.data['config.yaml']) as { runtimeLauncher: string[] };
      expect(runtimeLauncher.slice(0, 3)).toEqual(['nsenter', '--target', '1']);
      // Where process 1 may not be looked at, this process stands for the machine: it is in no container either.
      const launcher = runtimeLauncher.with(2, String(process.pid));
      const main = join(PROJECT, 'test/charts/container-main.ts');
      const command = [process.execPath, main, root, JSON.stringify(launcher)];
      const supervisor = () => lockHolder(join(root, 'runtime'), 'supervisor');
      const own = readlinkSync('/proc/self/ns/mnt');

      await using first = new Container(command);
      await first.untilUp();
      expect(first.mounts).not.toBe(own);
      const started = (await supervisor())!;
      expect(readlinkSync(`/proc/${started.pid}/ns/mnt`)).toBe(own);
      expect(readFileSync(`/proc/${started.pid}/cgroup`, 'utf8')).not.toContain('wasmlet-test-');
      await first.end();
      expect(isAlive(started)).toBe(true);

      await using second = new Container(command);
      await second.untilUp();
      expect(await supervisor()).toEqual(started);
      await second.end();

      const code = join(folder.path, 'release');
      mkdirSync(join(code, 'local-page'), { recursive: true });
      writeFileSync(join(code, 'cli.mjs'), 'another release');
      writeFileSync(join(code, 'local-page/index.html'), 'a page');
      const options = {
        program: { node: '/bin/true', code },
        folder: join(root, 'program'),
        rootDir: root,
        logger: createLogger({ level: 'error', format: 'json' }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      };
      const release = await putHostProgram(options);
      expect(isAlive(started)).toBe(false);
      expect(readFileSync(join(root, 'program/current/cli.mjs'), 'utf8')).toBe('another release');
      expect(existsSync(join(release, 'node'))).toBe(true);
      expect(readFileSync(join(release, 'local-page/index.html'), 'utf8')).toBe('a page');

      // The same again changes nothing; another one takes its place.
      expect(await putHostProgram(options)).toBe(release);
      writeFileSync(join(code, 'cli.mjs'), 'a later release');
      expect(await putHostProgram(options)).not.toBe(release);
      expect(existsSync(release)).toBe(false);
      expect(readFileSync(join(root, 'program/current/cli.mjs'), 'utf8')).toBe('a later release');
    },
  );
});

/**
 * A Linux machine for the containers of a rendered chart, where there is no container runtime: processes and mounts of
 * its own with a process 1 of its own, on the network of the machine that the tests run on. Its containers have what a
 * runtime gives them: an image's files, read-only, volumes, environment, a control group that they end with.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../../base/errors.ts';

const V2 = '/sys/fs/cgroup/cgroup.controllers';
/** Where the groups of containers are made: any hierarchy shows who is in them. */
const GROUPS = existsSync(V2) ? '/sys/fs/cgroup' : '/sys/fs/cgroup/pids';
const POLL_MS = 20;
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** $1 control group, $2… program. */
const ENTER = 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"';

/**
 * $1 folder of what is the machine's own on disk. Mounts below its /var/lib are shared with containers that want it. It
 * lasts as long as its standard input: also a test run that is killed leaves none.
 */
const BOOT = `set -e
for each in lib log; do
  mount --bind "$1/$each" "/var/$each"
done
mount --make-rshared /var/lib
mkdir -p /run/netns
mount -t tmpfs tmpfs /run/netns
# Not this machine's to be told of processes.
if [ -d /run/systemd ]; then mount -t tmpfs tmpfs /run/systemd; fi
exec 3<&0
echo up
cat <&3 > /dev/null & wait $!`;

/**
 * Makes a container of a process, in mounts of its own. $1 folder for its root, $2 folders of the image, the topmost first,
 * $3 its mounts as lines of 'SOURCE TARGET OPTIONS', $4 'own' for processes of its own, $5 its user if not root, $6… program.
 */
const CONTAINER = `set -e
root=$1 layers=$2 mounts=$3 processes=$4 user=$5; shift 5
mount -t overlay overlay -o "lowerdir=$layers" "$root"
if [ "$processes" = own ]; then mount -t proc proc "$root/proc"; else mount --rbind /proc "$root/proc"; fi
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
echo "$mounts" | while read -r source target options; do
  mount --bind "$source" "$root$target"
  case $options in *shared*) ;; *) mount --make-private "$root$target" ;; esac
  case $options in *ro*) mount -o remount,bind,ro "$root$target" ;; esac
done
if [ "$user" = 0 ]; then exec chroot "$root" "$@"; fi
exec chroot "$root" setpriv --reuid="$user" --regid="$user" --clear-groups --bounding-set=-all --no-new-privs "$@"`;

export interface ContainerMount {
  /** Path on the machine. */
  readonly source: string;
  readonly target: string;
  readonly readOnly?: boolean;
  /** Whether what is mounted below it on one side is seen on the other: mountPropagation Bidirectional. */
  readonly shared?: boolean;
}

export interface ContainerOptions {
  readonly name: string;
  /** Folders that the image consists of, the topmost first. */
  readonly image: readonly string[];
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly ContainerMount[];
  /** Whether it sees the machine's processes; else it has its own. */
  readonly hostPID: boolean;
  /** Its user and group; default: root with all rights, and otherwise with none. */
  readonly user?: number;
}

export interface MachineProcess {
  /** As the test sees it. */
  readonly pid: number;
  /** As in /proc/PID/comm: 15 characters. */
  readonly name: string;
  /** Path on the machine, or in the container. */
  readonly program: string;
}

export class LinuxMachine implements AsyncDisposable {
  /** A folder that is the machine's and the test's, on disk. */
  readonly folder: string;
  readonly #init: ChildProcess;
  readonly #stack: AsyncDisposableStack;

  private constructor(folder: string, init: ChildProcess, stack: AsyncDisposableStack) {
    this.folder = folder;
    this.#init = init;
    this.#stack = stack;
  }

  static async start(): Promise<LinuxMachine> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'wasmlet-machine-'))).path;
    for (const each of ['lib', 'log']) mkdirSync(join(folder, each));
    const args = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', BOOT, 'boot', folder];
    const init = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const said = text(init.stderr);
    stack.defer(async () => {
      const gone = once(init, 'exit');
      if (init.exitCode !== null || init.signalCode !== null) return;
      // With its process 1 go all its processes and mounts, before that one's end is told.
      process.kill(childOf(init.pid ?? 0) ?? init.pid ?? 0, 'SIGKILL');
      await gone;
    });
    await Promise.race([
      once(init.stdout, 'data'),
      said.then((errors) => Promise.reject(new Error(`the machine does not start: ${errors}`))),
    ]);
    return new LinuxMachine(folder, init, stack.move());
  }

  /** Where a path below /var is for the test. */
  path(path: string): string {
    return join(this.folder, path.replace(/^\/var\//, ''));
  }

  /** Process 1, as the test sees it. */
  get #pid(): number {
    return childOf(this.#init.pid ?? 0) ?? 0;
  }

  /** Processes of the machine, those of containers that see them too. */
  processes(): MachineProcess[] {
    const own = linkOf(`/proc/${this.#pid}/ns/pid`);
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && linkOf(`/proc/${name}/ns/pid`) === own)
      .map((name) => ({
        pid: Number(name),
        name: seen(`/proc/${name}/comm`).trim(),
        program: linkOf(`/proc/${name}/exe`),
      }));
  }

  async run(options: ContainerOptions): Promise<Container> {
    const { name, image, command, env, mounts, hostPID, user = 0 } = options;
    const own = join(this.folder, 'containers', `${name}-${randomBytes(3).toString('hex')}`);
    const [root, points] = [join(own, 'root'), join(own, 'points')];
    for (const folder of [root, points, ...mounts.map(({ target }) => join(points, target))]) {
      mkdirSync(folder, { recursive: true });
    }
    const lines = mounts.map(({ source, target, readOnly = false, shared = false }) =>
      [source, target, `${readOnly ? 'ro' : 'rw'}${shared ? ',shared' : ''}`].join(' '),
    );
    const group = join(GROUPS, `wasmlet-test-${randomBytes(4).toString('hex')}`);
    mkdirSync(group);
    const inside = [root, [points, ...image].join(':'), lines.join('\n'), hostPID ? 'host' : 'own', String(user)];
    const processes = hostPID ? [] : ['--pid', '--fork', '--kill-child'];
    const child = this.#spawn(join(own, 'log'), env, [
      ...['sh', '-c', ENTER, 'enter', group, ...this.#nsenter(), 'unshare', '--mount', '--propagation', 'unchanged'],
      ...[...processes, '--', 'sh', '-c', CONTAINER, name, ...inside, ...command],
    ]);
    await once(child, 'spawn');
    return new Container(child, group, join(own, 'log'));
  }

  #nsenter(): string[] {
    return ['nsenter', '--target', String(this.#pid), '--mount', '--pid', '--wd=/', '--'];
  }

  #spawn(
    logFile: string,
    env: Readonly<Record<string, string>>,
    [program = '', ...args]: readonly string[],
  ): ChildProcess {
    const log = openSync(logFile, 'a');
    const child = spawn(program, args, { stdio: ['ignore', log, log], env: { PATH, ...env } });
    closeSync(log);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

/** A running container, or one that has ended. */
export class Container {
  /** Resolves to its exit code when its program has ended, and all else in it has been ended. */
  readonly ended: Promise<number>;
  readonly #logFile: string;
  readonly #child: ChildProcess;
  #wasKilled = false;

  constructor(child: ChildProcess, group: string, logFile: string) {
    this.#child = child;
    this.#logFile = logFile;
    this.ended = once(child, 'exit').then(async ([code, signal]: (number | string | null)[]) => {
      await endGroup(group);
      return typeof code === 'number' ? code : 128 + (signal === 'SIGKILL' ? 9 : 15);
    });
  }

  /** Whether the test has sent it a signal. */
  get wasKilled(): boolean {
    return this.#wasKilled;
  }

  /** What it has printed. */
  get log(): string {
    return readFileSync(this.#logFile, 'utf8');
  }

  /** Its program, as the test sees it: nsenter and unshare wait for it. */
  get pid(): number | undefined {
    let pid = childOf(this.#child.pid ?? 0);
    while (pid !== undefined && /^(nsenter|unshare)\n/.test(seen(`/proc/${pid}/comm`))) pid = childOf(pid);
    return pid;
  }

  /** Runs a command in the container, as its user. @returns whether it ended well */
  exec(command: readonly string[]): boolean {
    const { pid } = this;
    if (pid === undefined) return false;
    const { uid, gid } = statSync(`/proc/${pid}`);
    const enter = ['--target', String(pid), '--mount', '--pid', '--root', '--wd=/'];
    const user = ['--setuid', String(uid), '--setgid', String(gid), '--'];
    return spawnSync('nsenter', [...enter, ...user, ...command], { stdio: 'ignore', env: { PATH } }).status === 0;
  }

  /** Sends a signal to its program; resolves when the container has ended. */
  async kill(signal: NodeJS.Signals): Promise<number> {
    this.#wasKilled = true;
    const { pid } = this;
    if (pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null)
      process.kill(pid, signal);
    return this.ended;
  }
}

/** The first child of a process, if it has one. */
function childOf(pid: number): number | undefined {
  const [child] = seen(`/proc/${pid}/task/${pid}/children`).trim().split(' ');
  return child ? Number(child) : undefined;
}

/** What a link in /proc points to; nothing of a process that is gone or may not be looked at. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES'].includes(errnoOf(error) ?? '')) return '';
    throw error;
  }
}

/** What /proc says; nothing of a process that is gone. */
function seen(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return '';
    throw error;
  }
}

/** As a container runtime does: whatever is in the group. */
async function endGroup(group: string): Promise<void> {
  for (;;) {
    for (const pid of readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n')) {
      if (pid !== '') process.kill(Number(pid), 'SIGKILL');
    }
    try {
      rmdirSync(group);
      return;
    } catch (error) {
      if (errnoOf(error) !== 'EBUSY') throw error;
    }
    await delay(POLL_MS);
  }
}

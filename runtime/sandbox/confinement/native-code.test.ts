import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testFolder } from '../../test-folder.ts';
import { landlockAbi, LEAST_ABI } from '../linux/landlock.ts';
import { missingSystemCalls } from '../linux/call.ts';
import { launch } from '../linux/launcher.ts';
import { ARCHITECTURES } from '../linux/numbers.ts';
import { mapOf } from '../linux/users.ts';
import { admit } from './admission.ts';
import { ByPaths } from './by-paths.ts';
import { Unconfined } from './confinement.ts';
import type { Confinement, HostLaunch } from './confinement.ts';
import { findConfinement } from './find-confinement.ts';
import { OwnRoot } from './own-root.ts';
import type { Report, Target } from './native-code-probe.ts';

/**
 * Native code in hosts: processes launched exactly as hosts are, with other code in them, which makes system calls of
 * its own (native-code-probe.ts). Each attempt is also made outside of the confinement, where it has to succeed.
 */

const SILENT = ['--no-warnings', '--experimental-ffi'];
const PROTOCOL_FDS = 4;
const NOBODY = 65534;
const TIMEOUT_MS = 120_000;

let folder: ReturnType<typeof testFolder>;
let code: string;
let victim: ChildProcess;
let sockets: Server[];
let found: Confinement;

beforeAll(async () => {
  folder = testFolder();
  chmodSync(folder.path, 0o755);
  code = join(folder.path, 'code', 'probe.cjs');
  await build({
    entryPoints: [fileURLToPath(new URL('native-code-probe.ts', import.meta.url))],
    ...{ bundle: true, platform: 'node', format: 'cjs', outfile: code, logLevel: 'silent' },
  });
  const outside = join(folder.path, 'outside');
  mkdirSync(outside);
  for (const name of ['secret', 'token', 'config', 'long', 'surplus']) {
    writeFileSync(join(outside, name), 'of another pod', { mode: 0o600 });
  }
  victim = spawn('sleep', ['600'], { cwd: outside, stdio: 'ignore' });
  sockets = [join(folder.path, 's'), `\0${abstractSocket()}`].map((path) => createServer().listen(path));
  await Promise.all(sockets.map((server) => once(server, 'listening')));
  found = await findConfinement({ code, rootPath: join(folder.path, 'root') }, AbortSignal.timeout(TIMEOUT_MS));
}, TIMEOUT_MS);

afterAll(() => {
  for (const server of sockets) server.close();
  victim.kill('SIGKILL');
  folder[Symbol.dispose]();
});

const abstractSocket = (): string => `wasmlet-test-${process.pid}`;

/** Gives hosts users of their own, and confines them by nothing else. */
function byUsersAlone(): Confinement {
  const users = found instanceof OwnRoot ? found.ownUsers : undefined;
  if (!users) throw new Error(`hosts have no users of their own: ${found.missing.join()}`);
  return {
    ...{ missing: [], needsReach: false, hasOwnMounts: false },
    launch: (flags, fd): HostLaunch => {
      const prepared = users.prepare('own', fd);
      const command = launch('perl', prepared.steps, fd - 1, [process.execPath, [...flags, code]]);
      return { ...prepared, command, [Symbol.dispose]: () => prepared[Symbol.dispose]() };
    },
  };
}

let containers = 0;

/** What a container has, made anew for each. */
function makeTarget(onlyMain: boolean, pid = victim.pid ?? 0): Target {
  const own = join(folder.path, `container-${++containers}`);
  for (const name of ['root', 'volume', 'readonly', 'state', 'logs']) mkdirSync(join(own, name), { recursive: true });
  writeFileSync(join(own, 'readonly', 'file'), 'text');
  return {
    root: join(own, 'root'),
    mounts: [
      { containerPath: '/data', hostPath: join(own, 'volume'), readonly: false },
      { containerPath: '/settings', hostPath: join(own, 'readonly'), readonly: true },
    ],
    directory: join(own, 'state'),
    logPath: join(own, 'logs', '0.log'),
    outside: join(folder.path, 'outside'),
    pid,
    socket: join(folder.path, 's'),
    abstractSocket: abstractSocket(),
    hostname: hostname(),
    onlyMain,
  };
}

interface Attempt {
  /** Whom it runs as, and whose its container's files are. Default: root. */
  readonly uid?: number;
  /** Looks at the process once it has made them. */
  readonly look?: (pid: number) => unknown;
  readonly onlyMain?: boolean;
  /** The process of another pod. Default: one of root's. */
  readonly other?: number;
}

/** Has all attempts made in a process that is launched as a host is. */
async function attempt(
  confinement: Confinement,
  { uid, look = () => undefined, onlyMain = false, other }: Attempt,
): Promise<Report> {
  const target = makeTarget(onlyMain, other);
  if (uid !== undefined) giveTo(uid, join(target.root, '..'));
  using launched = confinement.launch(SILENT, PROTOCOL_FDS, { reach: target });
  const [program, args] = launched.command;
  const child = spawn(program, args, {
    cwd: '/',
    env: {},
    stdio: ['ignore', 'ignore', 'inherit', 'pipe', ...launched.descriptors],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  try {
    const socket = child.stdio[3] as Socket;
    await launched.begin(child.pid ?? 0, socket);
    expect(await nextLine(socket)).toBe('ready');
    socket.write(JSON.stringify(admit(join(folder.path, 'root'), child.pid ?? 0, target)));
    const report = JSON.parse(await nextLine(socket)) as Report;
    await look(child.pid ?? 0);
    socket.end();
    return report;
  } finally {
    child.kill('SIGKILL');
  }
}

function giveTo(uid: number, path: string): void {
  for (const name of ['', ...readdirSync(path, { recursive: true, encoding: 'utf8' })])
    chownSync(join(path, name), uid, uid);
}

async function nextLine(socket: Socket): Promise<string> {
  let text = '';
  while (!text.endsWith('\n')) {
    const said = Promise.race([once(socket, 'data'), once(socket, 'close')]) as Promise<[Buffer | boolean]>;
    socket.resume();
    const [chunk] = await said;
    if (!Buffer.isBuffer(chunk)) throw new Error(`the process ended after ${JSON.stringify(text)}`);
    text += chunk.toString();
  }
  return text.trimEnd();
}

const succeeded = (outcomes: Readonly<Record<string, string>>): string[] =>
  Object.keys(outcomes).filter((name) => outcomes[name] === 'ok');

const others = (outcomes: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(outcomes).filter(([, outcome]) => outcome !== 'ok'));

/** The state of each thread of a process (proc_pid_status(5)). */
const threadsOf = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/task`).map((thread) => readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'));

const isRoot = process.geteuid?.() === 0;
const isAble = missingSystemCalls() === undefined && landlockAbi() >= LEAST_ABI;

describe.runIf(isRoot && isAble)('native code in a host that root has confined', () => {
  test('reaches nothing that is not its own, from any thread', { timeout: TIMEOUT_MS }, async () => {
    const control = await attempt(new Unconfined(code), { onlyMain: true });
    expect(others(control.main), 'attempts that fail without a confinement show nothing').toEqual({});
    expect(others(control.pool)).toEqual({});
    expect(Object.keys(control.main).length).toBeGreaterThan(60);

    expect(found.missing).toEqual([]);
    let threads: string[] = [];
    const report = await attempt(found, { look: (pid) => (threads = threadsOf(pid)) });
    expect(others(report.own)).toEqual({});
    expect(succeeded(report.main)).toEqual([]);
    expect(succeeded(report.worker)).toEqual([]);
    expect(succeeded(report.pool)).toEqual([]);
    expect(Object.keys(report.main)).toEqual(Object.keys(control.main));
    expect(Object.keys(report.worker)).toEqual(Object.keys(control.main));

    // Also of those threads that no code of the guest's runs in: V8's, and the one for signals.
    expect(threads.length).toBeGreaterThan(6);
    for (const status of threads) {
      expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
      expect(status).toMatch(/^Seccomp:\s+2$/m);
      // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETGID, SETUID, NET_BIND_SERVICE
      expect(status).toMatch(/^CapBnd:\s+00000000000004db$/m);
      expect(status).toMatch(/^CapPrm:\s+00000000000004db$/m);
      // None of the machine's users is root, or another host's.
      expect(status).toMatch(/^Uid:(\t[1-9]\d{9}){4}$/m);
      expect(status).toMatch(/^Groups:\s*$/m);
    }
  });

  test('reaches no process and no file of another by its users alone', { timeout: TIMEOUT_MS }, async () => {
    // What the kernel shows or allows to everybody.
    const harmless = [
      ...['get hold of another process', "read another process's command line"],
      ...['list a folder outside', 'climb out of its folder'],
    ];
    const seen: (number | undefined)[] = [];
    const outcomes = Promise.withResolvers<Report>();
    await attempt(byUsersAlone(), {
      onlyMain: true,
      look: async (other) => {
        seen.push(mapOf(other)?.first);
        const look = (pid: number): unknown => seen.push(mapOf(pid)?.first);
        outcomes.resolve(await attempt(byUsersAlone(), { onlyMain: true, other, look }));
      },
    });
    const { main } = await outcomes.promise;
    const isOfOthers = /another process|another pod|outside|kubeconfig/;
    const reached = succeeded(main).filter((name) => isOfOthers.test(name) && !harmless.includes(name));
    expect(reached).toEqual([]);
    expect(Object.keys(main).filter((name) => isOfOthers.test(name)).length).toBeGreaterThan(25);
    expect(new Set(seen).size).toBe(2);
    expect(seen.every((first) => first !== undefined && first > 0)).toBe(true);
  });
});

describe.runIf(isRoot && isAble)('native code in a host that somebody else has confined', () => {
  test('reaches no content outside, also as the user that owns it', { timeout: TIMEOUT_MS }, async () => {
    const architecture = ARCHITECTURES[process.arch]!;
    const options = { code, rootPath: join(folder.path, 'root') };
    const outside = join(folder.path, 'outside');
    const confinement = new ByPaths(options, architecture, landlockAbi(), []);
    giveTo(NOBODY, outside);
    try {
      const report = await attempt(confinement, { uid: NOBODY });
      expect(others(report.own)).toEqual({ 'read and write its root': 'EPERM' });
      // Landlock has no rights for what is not content: of its user's files a host can change modes, times, attributes.
      const known = [
        ...['change the mode of a file outside', 'change the owner of a file outside'],
        ...['change the times of a file outside', 'change an attribute of a file outside'],
        ...['change the mode of a file that is read-only', 'change the times of a file that is read-only'],
      ];
      expect(succeeded(report.main)).toEqual(known);
      expect(succeeded(report.worker)).toEqual(known);
      expect(succeeded(report.pool)).toEqual([]);
    } finally {
      giveTo(0, outside);
    }
  });
});

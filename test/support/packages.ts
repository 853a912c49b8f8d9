import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import { cached, keyOf } from './cache.ts';
import { runOrThrow } from './command.ts';
import { timed } from './progress.ts';

const INSTALL_TIMEOUT_MS = 15 * 60_000;

/** A package for Python, pinned to files that are known. */
export interface PythonPackage {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of each wheel that may be taken: one for each kind of machine. */
  readonly sha256: readonly string[];
  readonly size: string;
  /** What it needs beside it. */
  readonly needs?: readonly Omit<PythonPackage, 'size' | 'needs'>[];
}

/**
 * The folder that a package for Python is installed in, by the index that pip is set up with. It is for PYTHONPATH.
 * @throws WasmletError without Python, pip or index, or when the package is not the one that is pinned
 */
export async function pythonPackage({ name, version, sha256, size, needs = [] }: PythonPackage): Promise<string> {
  const { stdout: python } = await runOrThrow('python3', ['--version']);
  const lock = [{ name, version, sha256 }, ...needs]
    .map((item) => [`${item.name}==${item.version}`, ...item.sha256.map((hash) => `--hash=sha256:${hash}`)].join(' '))
    .join('\n');
  const folder = await cached({
    path: `tools/${name}-${keyOf([lock, python])}`,
    build: (into) =>
      timed(`installing Python's ${name} ${version}`, `20 s (${size})`, async () => {
        const environment = join(into, 'environment');
        const requirements = join(into, 'requirements.txt');
        await writeFile(requirements, `${lock}\n`);
        // An environment of its own, for many machines have a Python that is not to be installed into, and no pip.
        await runOrThrow('python3', ['-m', 'venv', environment], { timeoutMs: INSTALL_TIMEOUT_MS });
        const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-cache-dir'];
        const what = ['--only-binary=:all:', '--no-deps', '--require-hashes', '-r', requirements];
        const args = [...pip, ...what, '--target', join(into, 'packages')];
        await runOrThrow(join(environment, 'bin/python3'), args, { timeoutMs: INSTALL_TIMEOUT_MS });
        await rm(environment, { recursive: true });
      }),
  });
  return join(folder, 'packages');
}

/** A package of npm's, pinned to one file. */
export interface NodePackage {
  readonly name: string;
  readonly version: string;
  /** SHA-512 in base 64, as npm's lock files have it. */
  readonly integrity: string;
  readonly size: string;
}

/**
 * The folder that a package of npm's is unpacked in, without what it depends on and without running its scripts.
 * @throws WasmletError without a registry, or when the package is not the one that is pinned
 */
export async function nodePackage({ name, version, integrity, size }: NodePackage): Promise<string> {
  const folder = await cached({
    path: `tools/${name.replace(/^@/, '').replaceAll('/', '-')}-${keyOf([name, version, integrity])}`,
    build: (into) =>
      timed(`fetching ${name} ${version}`, `10 s (${size})`, async () => {
        const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', into, `${name}@${version}`];
        const { stdout } = await runOrThrow('npm', pack, { cwd: into, timeoutMs: INSTALL_TIMEOUT_MS });
        const [packed] = JSON.parse(stdout) as { filename: string }[];
        const archive = join(into, packed?.filename ?? '');
        const found = createHash('sha512')
          .update(await readFile(archive))
          .digest('base64');
        if (found !== integrity) {
          throw new WasmletError('Internal', `${name} ${version} is another than the pinned one: sha512 ${found}`);
        }
        await runOrThrow('tar', ['-xzf', archive, '-C', into], { timeoutMs: INSTALL_TIMEOUT_MS });
        await rm(archive);
      }),
  });
  return join(folder, 'package');
}

/** Packages of Debian, unpacked and not installed: no root is needed, and nothing of the machine changes. */
export interface DebianPackages {
  /** Of the folder in the cache. */
  readonly name: string;
  readonly start: readonly string[];
  /** Which of all that they depend on or recommend are taken along, but for shared libraries that the machine has. */
  readonly along: RegExp;
  readonly size: string;
  /** Makes the unpacked tree smaller, or fit to run where it is. */
  readonly finish?: (root: string) => Promise<void>;
}

/**
 * The folder that stands for '/'. The versions are those of the machine's release, whose archive's signatures vouch for
 * them, so they are not pinned here: an archive keeps no older ones.
 * @throws WasmletError on a machine without apt, or whose release has no such package
 */
export async function debianPackages({ name, start, along, size, finish }: DebianPackages): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const { stdout: architecture } = await runOrThrow('dpkg', ['--print-architecture']);
  return cached({
    path: `tools/${name}-${keyOf([release, architecture, ...start, String(along), String(finish)])}`,
    build: (into) =>
      timed(`unpacking Debian's ${start.join(', ')}`, `30 s (${size})`, async () => {
        const lists = await freshLists(into);
        const names = await closure(start, along, lists);
        const archives = join(into, '.archives');
        await mkdir(archives);
        await runOrThrow('apt-get', [...lists, 'download', ...names], {
          cwd: archives,
          timeoutMs: INSTALL_TIMEOUT_MS,
        });
        await runOrThrow('sh', ['-c', `for each in *.deb; do dpkg-deb -x "$each" "$1" || exit 1; done`, 'sh', into], {
          cwd: archives,
          timeoutMs: INSTALL_TIMEOUT_MS,
        });
        for (const each of ['.archives', '.apt', 'usr/share/doc', 'usr/share/man']) {
          await rm(join(into, each), { recursive: true, force: true });
        }
        await finish?.(into);
      }),
  });
}

/** Options by which apt uses package lists of its own in a folder, fetched now: the machine's may be missing or old. */
async function freshLists(into: string): Promise<string[]> {
  const state = join(into, '.apt');
  await mkdir(join(state, 'lists/partial'), { recursive: true });
  await mkdir(join(state, 'cache/archives/partial'), { recursive: true });
  const options = [
    ...['-o', `Dir::State::lists=${join(state, 'lists')}`, '-o', `Dir::Cache=${join(state, 'cache')}`],
    // Whom root's apt else becomes cannot write here.
    ...['-o', 'APT::Sandbox::User=root', '-o', 'Acquire::Languages=none', '-o', 'Acquire::Retries=3'],
  ];
  await runOrThrow('apt-get', [...options, '--quiet', 'update'], { timeoutMs: INSTALL_TIMEOUT_MS });
  return options;
}

async function closure(start: readonly string[], along: RegExp, lists: readonly string[]): Promise<string[]> {
  const args = ['depends', '--recurse', '--no-suggests', '--no-conflicts', '--no-breaks', '--no-replaces'];
  const { stdout } = await runOrThrow('apt-cache', [...lists, ...args, '--no-enhances', ...start]);
  const wanted = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of stdout.split('\n')) {
    const [, name] = /^\s*\|?(?:PreDepends|Depends|Recommends): ([a-z0-9][^\s:]*)/.exec(line) ?? [];
    if (name !== undefined) current.push(name);
    else if (/^[a-z0-9]/.test(line)) wanted.set(line.replace(/:.*/, ''), (current = []));
  }
  const reached = new Set(start);
  for (const name of reached) for (const other of wanted.get(name) ?? []) reached.add(other);
  const there = await installed();
  const isThere = (name: string): boolean => /^lib.*\d$/.test(name) && there.has(name);
  return [...reached].filter((name) => start.includes(name) || (along.test(name) && !isThere(name)));
}

async function installed(): Promise<Set<string>> {
  const { stdout } = await runOrThrow('dpkg-query', ['-W', '-f', '${db:Status-Abbrev}${Package}\n']);
  return new Set(stdout.split('\n').flatMap((line) => (line.startsWith('ii ') ? [line.slice(3)] : [])));
}

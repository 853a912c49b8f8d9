import { chmod, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { WasmletError } from '../../../base/errors.ts';
import { cached, keyOf } from '../../support/cache.ts';
import { runOrThrow } from '../../support/command.ts';
import { goVersion, whyNoGo } from '../../support/tools.ts';
import { GROUPS, IMAGES, PASSWD } from './images.ts';
import type { StandInConfig, StandInImage } from './images.ts';

const SOURCES = import.meta.dirname;
const BUILD_TIMEOUT_MS = 10 * 60_000;

/** With the documented extensions, or for any runtime of WASI Preview 1. */
export type Flavour = 'extended' | 'plain';

export interface StandIn {
  /** As in the references of the original, without registry and tag: 'busybox'. */
  readonly name: string;
  /** The image's root file tree. */
  readonly folder: string;
  readonly config: StandInConfig;
}

/** Why the stand-ins cannot be built on this machine; undefined when they can. */
export const whyNoStandIns = whyNoGo;

/**
 * Builds the stand-ins, Wasm programs that do what the images of Kubernetes' own tests do, or finds them in the cache.
 * @throws WasmletError FailedPrecondition without Go, Internal when the sources do not compile
 */
export async function buildStandIns(flavour: Flavour = 'extended'): Promise<readonly StandIn[]> {
  const go = await goVersion();
  if (go === undefined) {
    throw new WasmletError('FailedPrecondition', `the stand-ins cannot be built: ${await whyNoGo()}`);
  }
  const folder = await cached({
    path: `standins/${flavour}-${keyOf([go, flavour, ...(await sources(SOURCES))])}`,
    build: (folder) => buildAll(folder, flavour),
  });
  return IMAGES.map(({ name, config }) => ({ name, folder: join(folder, name), config }));
}

/** Names and contents of everything that the images are made of. */
async function sources(folder: string): Promise<(string | Buffer)[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && /\.go$|^go\.(mod|sum)$|^(build|images)\.ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  const contents = await Promise.all(paths.map((path) => readFile(path)));
  return paths.flatMap((path, index) => [path.slice(folder.length), contents[index] ?? '']);
}

async function buildAll(folder: string, flavour: Flavour): Promise<void> {
  const applets = await appletNames();
  for (const image of IMAGES) await buildImage(join(folder, image.name), image, applets, flavour);
}

/** Every name that the module is called by: those of its applets. */
async function appletNames(): Promise<readonly string[]> {
  const names = (await runHere('busybox', 'busybox', '--list')).split('\n');
  return names.filter((name) => name !== '' && name !== 'busybox');
}

/** Runs a command of cmd/ on this machine. @returns what it printed */
async function runHere(command: string, ...args: readonly string[]): Promise<string> {
  const env = { ...process.env, GOWORK: 'off' };
  const options = { cwd: SOURCES, env, timeoutMs: BUILD_TIMEOUT_MS };
  return (await runOrThrow('go', ['run', `./cmd/${command}`, ...args], options)).stdout;
}

async function buildImage(
  root: string,
  image: StandInImage,
  applets: readonly string[],
  flavour: Flavour,
): Promise<void> {
  await mkdir(dirname(join(root, image.program)), { recursive: true });
  await compile(image.command, join(root, image.program), flavour);
  for (const directory of image.directories ?? []) await mkdir(join(root, directory), { recursive: true });
  if (image.certificate) await runHere('certificate', root);
  for (const [path, content] of Object.entries(image.files ?? {})) await writeFile(join(root, path), content);
  for (const [path, target] of Object.entries(image.links ?? {})) await link(root, path, target);
  if (!image.shell) return;
  for (const name of applets) {
    const path = `/bin/${name}`;
    if (path !== image.program) await link(root, path, image.program);
  }
  await writeAccounts(root);
}

async function writeAccounts(root: string): Promise<void> {
  await mkdir(join(root, 'etc'), { recursive: true });
  await mkdir(join(root, 'tmp'), { recursive: true });
  await chmod(join(root, 'tmp'), 0o1777);
  await writeFile(join(root, 'etc/passwd'), `${PASSWD.join('\n')}\n`);
  await writeFile(join(root, 'etc/group'), `${GROUPS.join('\n')}\n`);
}

/** Links are relative: some runtimes follow no others. */
async function link(root: string, path: string, target: string): Promise<void> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await rm(file, { force: true });
  await symlink(relative(dirname(path), target), file);
}

async function compile(command: string, output: string, flavour: Flavour): Promise<void> {
  const tags = flavour === 'extended' ? ['-tags', 'posix,sockets'] : [];
  const args = ['build', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', ...tags, '-o', output, `./cmd/${command}`];
  const env = { ...process.env, GOOS: 'wasip1', GOARCH: 'wasm', GOWORK: 'off' };
  await runOrThrow('go', args, { cwd: SOURCES, env, timeoutMs: BUILD_TIMEOUT_MS });
}

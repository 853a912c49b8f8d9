import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { cached, keyOf } from '../support/cache.ts';
import { runOrThrow, type CommandResult } from '../support/command.ts';
import { debianPackages } from '../support/packages.ts';
import { timed } from '../support/progress.ts';

const TIMEOUT_MS = 30 * 60_000;
const SUITE = 'bookworm';
/** Debian's folder for libraries of this machine's architecture. */
const LIBRARIES = `usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;

/** buildah and debootstrap, unpacked. */
const tools = () =>
  debianPackages({
    name: 'buildah',
    start: ['buildah', 'debootstrap'],
    along:
      /^(golang-github-containers-(common|image)|lib(gpgme|devmapper|seccomp|assuan|gpg-error|ostree|subid|glib|btrfs)[\d.a-z+-]*)$/,
    size: '20 MB',
  });

/** A Debian as small as debootstrap makes one: what a registry's image of Debian is, where no registry is reached. */
export async function debianBase(): Promise<string> {
  const root = await tools();
  const folder = await cached({
    path: `tools/debian-${keyOf([SUITE, process.arch, 'minbase'])}`,
    build: (into) =>
      timed(`making a Debian (${SUITE}) by debootstrap`, '1 to 6 min', async () => {
        const env = {
          ...process.env,
          DEBOOTSTRAP_DIR: join(root, 'usr/share/debootstrap'),
          PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
        };
        const target = join(into, 'root');
        await runOrThrow(join(root, 'usr/sbin/debootstrap'), ['--variant=minbase', SUITE, target], {
          env,
          timeoutMs: TIMEOUT_MS,
        });
        for (const each of ['var/cache/apt/archives', 'var/lib/apt/lists', 'usr/share/doc', 'usr/share/locale']) {
          await rm(join(target, each), { recursive: true, force: true });
        }
      }),
  });
  return join(folder, 'root');
}

/** Why no Debian can be made here, which on CI is a failure. @throws Error with why, on CI */
export async function whyNoDebian(): Promise<string | undefined> {
  try {
    await debianBase();
    return undefined;
  } catch (error) {
    if (process.env['CI']) throw error;
    return messageOf(error).split('\n')[0];
  }
}

/** What stands for the image of Node: the binary that runs the tests, and the libraries that the Dockerfile takes. */
export async function nodeFiles(into: string): Promise<string> {
  const libraries = join(into, LIBRARIES);
  await mkdir(libraries, { recursive: true });
  await mkdir(join(into, 'usr/local/bin'), { recursive: true });
  await cp(process.execPath, join(into, 'usr/local/bin/node'));
  const { stdout } = await runOrThrow('ldd', [process.execPath]);
  for (const [, name = '', path = ''] of stdout.matchAll(/(libstdc\+\+\.so\.6|libatomic\.so\.1) => (\S+)/g)) {
    await cp(path, join(libraries, name), { dereference: true });
  }
  return into;
}

/** The real buildah, with a store of its own. */
export type Buildah = (args: readonly string[], cwd?: string) => Promise<CommandResult>;

/** @param folder for its store; a mounted container has to be unmounted before it is removed */
export async function createBuildah(folder: string): Promise<Buildah> {
  const root = await tools();
  const store = join(folder, 'storage.conf');
  const policy = join(folder, 'policy.json');
  const graph = [`graphroot = "${join(folder, 'graph')}"`, `runroot = "${join(folder, 'run')}"`];
  const hasOverlay = (await readFile('/proc/filesystems', 'utf8')).includes('\toverlay\n');
  await writeFile(store, ['[storage]', `driver = "${hasOverlay ? 'overlay' : 'vfs'}"`, ...graph, ''].join('\n'));
  await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  const env = {
    ...process.env,
    CONTAINERS_STORAGE_CONF: store,
    BUILDAH_ISOLATION: 'chroot',
    LD_LIBRARY_PATH: join(root, LIBRARIES),
  };
  const needsPolicy = new Set(['build', 'commit', 'from', 'push']);
  return ([command = '', ...args], cwd) => {
    const options = needsPolicy.has(command) ? ['--signature-policy', policy] : [];
    return runOrThrow(join(root, 'usr/bin/buildah'), [command, ...options, ...args], {
      env,
      timeoutMs: TIMEOUT_MS,
      ...(cwd === undefined ? {} : { cwd }),
    });
  };
}

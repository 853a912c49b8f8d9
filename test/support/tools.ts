import { readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import { cached, keyOf } from './cache.ts';
import { run, runOrThrow } from './command.ts';
import { timed, type Report } from './progress.ts';

/** Everything real that the tests run against, all of it built from source with Go. */
export interface Tools {
  readonly etcd: string;
  readonly kubeApiserver: string;
  readonly kubeControllerManager: string;
  readonly kubeScheduler: string;
  readonly kubectl: string;
  /** `htpasswd USER < password` prints a line for the registry's htpasswd file. */
  readonly controlPlane: string;
  /** Kubernetes' kubelet without the machine: see test/golden/go/main.go. */
  readonly kubelet: string;
  /** The reference registry: `registry serve config.yml`. */
  readonly registry: string;
  readonly helm: string;
  readonly crane: string;
  /** Folder with the CNI project's plugins: see CNI_PLUGINS. For Linux. */
  readonly cniPlugins: string;
  /** Kubernetes' node conformance suite as a Go test binary (test/conformance/go). */
  readonly conformance: string;
  /** Ginkgo's command, which runs a suite in several processes. */
  readonly ginkgo: string;
}

export type ToolName = keyof Tools;

export interface BuildOptions {
  /** Gets a line when a build starts, with about how long it takes, and one when it is done. Default: stderr. */
  readonly report?: Report;
  /** Gives a build up. */
  readonly signal?: AbortSignal;
}

const KUBERNETES_VERSION = 'v1.36.3';

/** A Go module of the tree around Kubernetes' code, and what is built from it. */
interface KubernetesProgram {
  readonly source: string;
  readonly what: string;
  readonly coldly: string;
  /** Go's command line for each binary, but for the flags that are the same for all. */
  readonly binaries: Readonly<Record<string, readonly string[]>>;
  /** Links to the first binary, which looks at the name that it is called by. */
  readonly links?: readonly string[];
  /** The tools in it, by the name of their file. */
  readonly tools: Partial<Record<ToolName, string>>;
}

const KUBERNETES_PROGRAMS: readonly KubernetesProgram[] = [
  {
    source: join(import.meta.dirname, '../cluster/go'),
    what: `the Kubernetes ${KUBERNETES_VERSION} control plane`,
    coldly: '5 min',
    binaries: { 'control-plane': ['build', '.'] },
    links: ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl'],
    tools: {
      etcd: 'etcd',
      kubeApiserver: 'kube-apiserver',
      kubeControllerManager: 'kube-controller-manager',
      kubeScheduler: 'kube-scheduler',
      kubectl: 'kubectl',
      controlPlane: 'control-plane',
    },
  },
  {
    source: join(import.meta.dirname, '../golden/go'),
    what: `the Kubernetes ${KUBERNETES_VERSION} kubelet`,
    coldly: '3 min',
    binaries: { kubelet: ['build', '.'] },
    tools: { kubelet: 'kubelet' },
  },
  {
    source: join(import.meta.dirname, '../conformance/go'),
    what: `the conformance suite of Kubernetes ${KUBERNETES_VERSION}`,
    coldly: '5 min',
    // The ginkgo of the suite's own version: the two speak to one another.
    binaries: {
      'conformance.test': ['test', '-c', '-vet=off', '.'],
      ginkgo: ['build', 'github.com/onsi/ginkgo/v2/ginkgo'],
    },
    tools: { conformance: 'conformance.test', ginkgo: 'ginkgo' },
  },
];

/** What `go install` builds of a module of others, each package into a binary of its last name. */
interface InstalledProgram {
  readonly module: string;
  readonly version: string;
  readonly packages: readonly string[];
  readonly coldly: string;
}

/** Those that tests and the guide for a single node use, and what the two of them call. */
const CNI_PLUGINS = [
  ...['main/bridge', 'main/ptp', 'main/loopback', 'ipam/host-local', 'ipam/static'],
  ...['meta/portmap', 'meta/firewall', 'meta/bandwidth', 'meta/tuning'],
].map((name) => `plugins/${name}`);

const INSTALLED = {
  registry: {
    module: 'github.com/distribution/distribution/v3',
    version: 'v3.1.2',
    packages: ['cmd/registry'],
    coldly: '1.5 min',
  },
  helm: { module: 'helm.sh/helm/v4', version: 'v4.3.1', packages: ['cmd/helm'], coldly: '1.5 min' },
  crane: {
    module: 'github.com/google/go-containerregistry',
    version: 'v0.22.1',
    packages: ['cmd/crane'],
    coldly: '20 s',
  },
  cniPlugins: {
    module: 'github.com/containernetworking/plugins',
    version: 'v1.9.1',
    packages: CNI_PLUGINS,
    coldly: '1 min',
  },
} as const satisfies Record<string, InstalledProgram>;

/** What `kubectl version` and /version show; the commit is left out, for the module proxy does not tell it. */
const VERSION_FLAGS = Object.entries({
  gitVersion: KUBERNETES_VERSION,
  gitMajor: '1',
  gitMinor: '36',
  gitTreeState: 'archive',
})
  .map(([name, value]) => ` -X k8s.io/component-base/version.${name}=${value}`)
  .join('');
/** What a Go module is built from; with the folders of modules beneath it. */
const SOURCES = /\.go$|(^|\/)go\.(mod|sum)$/;
const BUILD_TIMEOUT_MS = 30 * 60_000;

/** Why Go-built tools are not to be had on this machine; undefined when they are. Asked once per process. */
export async function whyNoGo(): Promise<string | undefined> {
  return (await goVersion()) === undefined ? 'Go is not installed (see https://go.dev/doc/install)' : undefined;
}

let version: Promise<string | undefined> | undefined;

/** `go version` as it prints it, or undefined without Go. */
export function goVersion(): Promise<string | undefined> {
  version ??= run('go', ['version']).then(
    ({ stdout, exitCode }) => (exitCode === 0 ? stdout.trim() : undefined),
    () => undefined,
  );
  return version;
}

/**
 * Paths of the tools asked for, built first where the cache has none: minutes the first time, nothing after.
 * @throws WasmletError FailedPrecondition without Go, Internal when a build fails, Cancelled by the signal
 */
export async function buildTools<Name extends ToolName>(
  names: readonly Name[],
  options: BuildOptions = {},
): Promise<Pick<Tools, Name>> {
  const found: Partial<Record<ToolName, string>> = {};
  // One after the other: a Go build takes every core there is.
  for (const name of names) found[name] = await buildTool(name, options);
  return found as Pick<Tools, Name>;
}

async function buildTool(name: ToolName, options: BuildOptions): Promise<string> {
  const go = await goVersion();
  if (go === undefined) throw new WasmletError('FailedPrecondition', `${name} cannot be built: ${await whyNoGo()}`);
  for (const program of KUBERNETES_PROGRAMS) {
    const file = program.tools[name];
    if (file !== undefined) return join(await buildKubernetes(program, go, options), file);
  }
  const folder = await install(name, INSTALLED[name as keyof typeof INSTALLED], go, options);
  return name === 'cniPlugins' ? folder : join(folder, name);
}

async function install(
  name: ToolName,
  { module, version, packages, coldly }: InstalledProgram,
  go: string,
  options: BuildOptions,
): Promise<string> {
  const args = ['install', '-trimpath', '-ldflags=-s -w', ...packages.map((path) => `${module}/${path}@${version}`)];
  return cached({
    path: `tools/${name}-${keyOf([go, ...args])}`,
    build: (folder) =>
      timed(
        `building ${module} ${version} from source`,
        goTime(coldly),
        () => goRun(args, { ...process.env, GOBIN: folder }, options),
        options.report,
      ),
  });
}

async function buildKubernetes(program: KubernetesProgram, go: string, options: BuildOptions): Promise<string> {
  const { source, binaries, links = [] } = program;
  const names = (await readdir(source, { recursive: true })).filter((name) => SOURCES.test(name)).toSorted();
  const sources = await Promise.all(names.map((name) => readFile(join(source, name))));
  const flags = ['-trimpath', '-buildvcs=false', `-ldflags=-s -w${VERSION_FLAGS}`];
  const [main = ''] = Object.keys(binaries);
  return cached({
    path: `tools/${main}-${keyOf([go, JSON.stringify(binaries), ...flags, ...names, ...sources])}`,
    build: (folder) =>
      timed(
        `building ${program.what} from source`,
        goTime(program.coldly),
        async () => {
          for (const [binary, [command = '', ...rest]] of Object.entries(binaries)) {
            await goRun([command, ...flags, '-o', join(folder, binary), ...rest], process.env, options, source);
          }
          await Promise.all(links.map((link) => symlink(main, join(folder, link))));
        },
        options.report,
      ),
  });
}

const goTime = (coldly: string): string => `${coldly} with an empty Go cache`;

async function goRun(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { signal }: BuildOptions,
  cwd?: string,
): Promise<void> {
  await runOrThrow('go', args, {
    env,
    timeoutMs: BUILD_TIMEOUT_MS,
    // Go removes its working folder when it is asked to end.
    killSignal: 'SIGINT',
    ...(signal ? { signal } : {}),
    ...(cwd === undefined ? {} : { cwd }),
  });
}

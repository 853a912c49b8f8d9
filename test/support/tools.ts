import { readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import { cached, keyOf } from './cache.ts';
import { run, runOrThrow } from './command.ts';

/** Everything real that the tests run against, all of it built from source with Go. */
export interface Tools {
  readonly etcd: string;
  readonly kubeApiserver: string;
  readonly kubeControllerManager: string;
  readonly kubeScheduler: string;
  readonly kubectl: string;
  /** `htpasswd USER < password` prints a line for the registry's htpasswd file. */
  readonly controlPlane: string;
  /** The reference registry: `registry serve config.yml`. */
  readonly registry: string;
  readonly helm: string;
  readonly crane: string;
}

export type ToolName = keyof Tools;
/** Where a line on the progress goes. */
export type Report = (line: string) => void;

export interface BuildOptions {
  /** Gets a line when a build starts, with about how long it takes, and one when it is done. Default: stderr. */
  readonly report?: Report;
  /** Gives a build up. */
  readonly signal?: AbortSignal;
}

const KUBERNETES_VERSION = 'v1.36.3';
const CONTROL_PLANE_SOURCE = join(import.meta.dirname, '../cluster/go');
const CONTROL_PLANE_PARTS = {
  etcd: 'etcd',
  kubeApiserver: 'kube-apiserver',
  kubeControllerManager: 'kube-controller-manager',
  kubeScheduler: 'kube-scheduler',
  kubectl: 'kubectl',
  controlPlane: 'control-plane',
} as const;
const INSTALLED = {
  registry: { module: 'github.com/distribution/distribution/v3/cmd/registry@v3.1.2', coldly: '1.5 min' },
  helm: { module: 'helm.sh/helm/v4/cmd/helm@v4.3.1', coldly: '1.5 min' },
  crane: { module: 'github.com/google/go-containerregistry/cmd/crane@v0.22.1', coldly: '20 s' },
} as const;

/** What `kubectl version` and /version show; the commit is left out, for the module proxy does not tell it. */
const VERSION_FLAGS = Object.entries({
  gitVersion: KUBERNETES_VERSION,
  gitMajor: '1',
  gitMinor: '36',
  gitTreeState: 'archive',
})
  .map(([name, value]) => ` -X k8s.io/component-base/version.${name}=${value}`)
  .join('');
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
  if (name in CONTROL_PLANE_PARTS) {
    const part = CONTROL_PLANE_PARTS[name as keyof typeof CONTROL_PLANE_PARTS];
    return join(await buildControlPlane(go, options), part);
  }
  const { module, coldly } = INSTALLED[name as keyof typeof INSTALLED];
  const args = ['install', '-trimpath', '-ldflags=-s -w', module];
  const folder = await cached({
    path: `tools/${name}-${keyOf([go, ...args])}`,
    build: (folder) => timed(module, coldly, options, () => goRun(args, { ...process.env, GOBIN: folder }, options)),
  });
  return join(folder, name);
}

async function buildControlPlane(go: string, options: BuildOptions): Promise<string> {
  const names = (await readdir(CONTROL_PLANE_SOURCE)).filter((name) => /\.go$|^go\.(mod|sum)$/.test(name)).toSorted();
  const sources = await Promise.all(names.map((name) => readFile(join(CONTROL_PLANE_SOURCE, name))));
  const args = ['build', '-trimpath', '-buildvcs=false', `-ldflags=-s -w${VERSION_FLAGS}`];
  return cached({
    path: `tools/control-plane-${keyOf([go, ...args, ...names, ...sources])}`,
    build: (folder) =>
      timed(`the Kubernetes ${KUBERNETES_VERSION} control plane`, '5 min', options, async () => {
        const build = [...args, '-o', join(folder, 'control-plane'), '.'];
        await goRun(build, process.env, options, CONTROL_PLANE_SOURCE);
        const parts = Object.values(CONTROL_PLANE_PARTS).filter((part) => part !== 'control-plane');
        await Promise.all(parts.map((part) => symlink('control-plane', join(folder, part))));
      }),
  });
}

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

async function timed(
  what: string,
  coldly: string,
  { report = toStderr }: BuildOptions,
  build: () => Promise<void>,
): Promise<void> {
  report(`building ${what} from source, once: about ${coldly} with an empty Go cache`);
  const start = performance.now();
  await build();
  report(`built ${what} in ${Math.round((performance.now() - start) / 1000)} s`);
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

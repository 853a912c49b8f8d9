import { existsSync, statSync } from 'node:fs';
import { basename, isAbsolute, resolve } from 'node:path';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { createLogger } from '../../base/log.ts';
import { resolveProcess } from '../../images/process.ts';
import type { Image } from '../../images/service.ts';
import { imageUser } from '../../images/user.ts';
import type { ContainerConfig, LinuxContainerSecurityContext } from '../../runtime/service.ts';
import type { Config } from '../config/schema.ts';
import { resourcesFor } from '../pods/cgroup.ts';
import { publishPorts, loopbackOfItsOwn } from './publish.ts';
import { runFolder } from './run-folder.ts';

export interface RunMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly readonly: boolean;
}

export interface PublishedPort {
  /** Of this machine. */
  readonly address: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** Whether what is in the store already will do. */
export type PullPolicy = 'missing' | 'always' | 'never';

export interface RunOptions {
  readonly args: readonly string[];
  /** 'KEY=value' */
  readonly env: readonly string[];
  readonly mount: readonly RunMount[];
  readonly publish: readonly PublishedPort[];
  /** Bytes. */
  readonly memory?: number;
  readonly cpus?: number;
  readonly engine: 'v8' | 'interpreter';
  readonly workdir?: string;
  readonly user?: string;
  readonly entrypoint?: string;
  readonly interactive: boolean;
  readonly tty: boolean;
  readonly pull: PullPolicy;
}

/** As `docker run`: what fails before the guest has begun is no exit code of the guest's. */
const NOT_STARTED = 125;
/** As a pod's terminationGracePeriodSeconds, but for somebody who waits. */
const GRACE_SECONDS = 10;
const HOSTNAME = 'wasmlet';

/**
 * `wasmlet run`: runs one module in the foreground, with the defaults of a pod and the stdio of this process. SIGINT,
 * SIGTERM and SIGHUP stop it; a second one kills it.
 * @returns the guest's exit code; 128 + the number of the signal that ended it; 125 when it could not be started
 */
export async function runCommand(config: Config, name: string, options: RunOptions): Promise<number> {
  const logger = createLogger({ level: 'warn', format: 'human' });
  const interrupted = new AbortController();
  let stop = (): void => interrupted.abort(new WasmletError('Cancelled', 'given up'));
  const onSignal = () => stop();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  try {
    await using folder = await runFolder();
    const { signal } = interrupted;
    const image = await imageOf(config, name, options, signal);
    const own = loopbackOfItsOwn();
    // node:ffi says of itself that it is experimental: nothing that who runs a module has to know.
    process.removeAllListeners('warning');
    // Loaded here, so that no other command carries the runtime's code.
    const { startForeground } = await import('../../runtime/foreground/foreground.ts');
    await using guest = await startForeground(
      {
        root: folder.path,
        engine: options.engine,
        container: containerOf(image, name, options, own),
        hostname: HOSTNAME,
        confinement: config.confinement,
        posixExtension: config.posixExtension,
        inheritsStdin: options.interactive,
        output: (stream, data) => write(process[stream], data, () => void guest.stop(0)),
        logger,
      },
      signal,
    );
    let stops = 0;
    stop = () => void guest.stop(stops++ === 0 ? GRACE_SECONDS : 0);
    await using _ports = await publishPorts(options.publish, own);
    folder.note(guest.pid);
    const { exitCode, message } = await guest.ended;
    if (message !== '') process.stderr.write(`wasmlet: ${message}\n`);
    return exitCode;
  } catch (error) {
    process.stderr.write(`wasmlet: ${messageOf(error)}\n`);
    return NOT_STARTED;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

/** Waits for a reader that is slow; where it is gone, ends the guest as a broken pipe would. */
function write(stream: NodeJS.WriteStream, data: Buffer, onGone: () => void): Promise<undefined> | undefined {
  if (stream.listenerCount('error') === 0) stream.on('error', onGone);
  if (stream.write(data) || stream.destroyed) return undefined;
  return new Promise((resolve_) => {
    const done = () => {
      stream.off('drain', done).off('close', done);
      resolve_(undefined);
    };
    stream.on('drain', done).on('close', done);
  });
}

/** A file as it is, or the image of that name: of this user's own store, pulled where that is needed. */
async function imageOf(config: Config, name: string, { pull }: RunOptions, signal: AbortSignal): Promise<Image> {
  if (existsSync(name) && statSync(name).isFile()) return imageOfFile(name);
  if (/^[./]|\.wasm$/.test(name)) throw new WasmletError('NotFound', `${name}: there is no such file`);
  // Loaded here, so that a file is run without all that pulls images.
  const { storedImage } = await import('./run-image.ts');
  return await storedImage(config, name, pull, signal);
}

const NO_CONFIG = { entrypoint: [], cmd: [], env: [], workingDir: '', user: '', labels: {} };

function imageOfFile(path: string): Image {
  const image = { id: `sha256:${'0'.repeat(64)}`, repoTags: [], repoDigests: [], size: 0, config: NO_CONFIG };
  return { ...image, os: 'wasip1', architecture: 'wasm', module: resolve(path) };
}

function containerOf(image: Image, name: string, options: RunOptions, own: string): ContainerConfig {
  const { entrypoint, workdir, memory = 0, cpus = 0 } = options;
  const program = entrypoint ?? (image.repoTags.length === 0 && image.module ? basename(name) : undefined);
  const envs = options.env.map((text) => {
    const equals = text.indexOf('=');
    return { key: text.slice(0, equals), value: text.slice(equals + 1) };
  });
  return {
    metadata: { name: 'run', attempt: 0 },
    image: {
      userSpecifiedImage: name,
      imageRef: image.id,
      ...(image.module === undefined ? {} : { module: image.module }),
      ...(image.tree === undefined ? {} : { tree: image.tree }),
    },
    ...resolveProcess(image, {
      command: program === undefined ? [] : [program],
      args: options.args,
      workingDir: workdir ?? '',
      envs,
      hostname: HOSTNAME,
      reference: name,
    }),
    mounts: options.mount.map(mountOf),
    labels: {},
    annotations: {},
    logPath: 'log',
    logLimits: { maxSize: 0, maxFiles: 0 },
    stdin: options.interactive,
    stdinOnce: true,
    tty: options.tty,
    resources: resourcesFor(0, Math.round(cpus * 1000), memory),
    securityContext: securityContextOf(image, options.user),
    network: {
      bindAddresses: [own],
      listeners: options.publish.map(({ guestPort }) => ({ name: String(guestPort), port: guestPort })),
      policy: { allowLoopback: false, allow: [own], deny: ['169.254.0.0/16', 'fe80::/10'], ownPorts: [] },
    },
  };
}

function mountOf({ hostPath, ...mount }: RunMount): RunMount {
  const path = isAbsolute(hostPath) ? hostPath : resolve(hostPath);
  if (existsSync(path)) return { ...mount, hostPath: path };
  throw new WasmletError('InvalidArgument', `--mount ${hostPath}: there is no such file or folder`);
}

/** The user that was asked for, else the image's; who is not root can only run a guest as oneself. */
function securityContextOf(image: Image, given: string | undefined): LinuxContainerSecurityContext {
  const base = { supplementalGroups: [], readonlyRootfs: false };
  const [user = '', group] = given?.split(':') ?? [];
  const named = given === undefined ? imageUser(image) : imageUser({ config: { ...NO_CONFIG, user } });
  const runAsGroup = group === undefined ? {} : { runAsGroup: groupNumber(group) };
  return { ...base, ...runAsGroup, ...('uid' in named ? { runAsUser: named.uid } : { runAsUsername: named.username }) };
}

function groupNumber(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new WasmletError('InvalidArgument', `--user: group ${text} is not a number`);
}

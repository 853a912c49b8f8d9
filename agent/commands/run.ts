import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, messageOf, WasmletError } from '../../base/errors.ts';
import { lockFolder } from '../../base/lock.ts';
import { createLogger, type Logger } from '../../base/log.ts';
import { dockerCliConfigs } from '../../images/docker-cli-config.ts';
import { createImageService, parseReference } from '../../images/index.ts';
import { resolveProcess } from '../../images/process.ts';
import type { Image } from '../../images/service.ts';
import { imageUser } from '../../images/user.ts';
import type { ContainerConfig, LinuxContainerSecurityContext } from '../../runtime/service.ts';
import type { Config } from '../config/schema.ts';
import { resourcesFor } from '../pods/cgroup.ts';
import { imageOptions } from '../services.ts';
import { publishPorts, loopbackOfItsOwn } from './publish.ts';
import { runFolder, stateFolder } from './run-folder.ts';

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
  readonly pull: 'missing' | 'always' | 'never';
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
async function imageOf(config: Config, name: string, options: RunOptions, signal: AbortSignal): Promise<Image> {
  if (existsSync(name) && statSync(name).isFile()) return imageOfFile(name);
  if (/^[./]|\.wasm$/.test(name)) throw new WasmletError('NotFound', `${name}: there is no such file`);
  const { canonical, domain } = parseReference(name);
  const root = stateFolder();
  await mkdir(root, { recursive: true, mode: 0o700 });
  await using _lock = await lockWithPatience(root, signal);
  await using images = await createImageService({
    ...imageOptions({ ...config, rootDir: root }, silent()),
    root: join(root, 'images'),
  });
  const stored = options.pull === 'always' ? undefined : await images.imageStatus(name);
  if (stored) return stored;
  if (options.pull === 'never') {
    throw new WasmletError('NotFound', `image ${canonical} is not in ${join(root, 'images')}, and --pull is never`);
  }
  if (process.stderr.isTTY) process.stderr.write(`Pulling ${canonical} …\n`);
  return await images.pullImage({ reference: name, dockerConfigs: await dockerCliConfigs(domain), signal });
}

const silent = (): Logger => createLogger({ level: 'error', format: 'human' });

const NO_CONFIG = { entrypoint: [], cmd: [], env: [], workingDir: '', user: '', labels: {} };

function imageOfFile(path: string): Image {
  const image = { id: `sha256:${'0'.repeat(64)}`, repoTags: [], repoDigests: [], size: 0, config: NO_CONFIG };
  return { ...image, os: 'wasip1', architecture: 'wasm', module: resolve(path) };
}

const LOCK_RETRY_MS = 200;

/** Another `wasmlet run` of this user may be pulling. */
async function lockWithPatience(folder: string, signal: AbortSignal): Promise<AsyncDisposable> {
  for (;;) {
    try {
      return await lockFolder(folder, 'agent');
    } catch (error) {
      if (!hasCode(error, 'AlreadyExists')) throw error;
      await delay(LOCK_RETRY_MS, undefined, { signal });
    }
  }
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

import { join } from 'node:path';
import { z } from 'zod';
import { WasmletError } from '../../base/errors.ts';
import { readBounded } from '../../base/read-bounded.ts';
import { parseRecord, writeRecord } from '../../base/record.ts';
import type { RecordType } from '../../base/record.ts';
import { EXIT_RECORD, exitRecordPath } from '../host/exit-record.ts';
import type { ContainerExit } from '../host/exit-record.ts';
import * as schemas from '../schemas.ts';

/**
 * What the runtime keeps on disk, and where:
 *
 *     <root>/pods/<namespace>/<uid>/runtime/<sandbox id>/sandbox.json
 *     <root>/pods/<namespace>/<uid>/runtime/<sandbox id>/containers/<container id>/config.json   what was asked for
 *                                                                                /state.json    its host, once it has one
 *                                                                                /exit.json     how it ended, when its host could not say
 *                                                                                /state/        what its host writes: its own exit.json,
 *                                                                                               a line that is not finished
 *                                                                                /commands/     the hosts of its commands
 *                                                                                /root/         the guest's '/', or, where it is mounted:
 *                                                                                /upper/        what it wrote beyond its image
 *                                                                                /work/         the kernel's own
 *     <root>/run/<host id>.sock                                                  a host's socket (short: 107 bytes)
 *     <root>/runtime/                                                            the supervisor's lock and log
 */

const sandboxSchema = z.object({
  id: z.string(),
  config: schemas.podSandboxConfig,
  runtimeHandler: z.string(),
  /** Decided once: a pod goes on as it began when the handlers are configured anew. */
  engine: z.enum(['v8', 'interpreter']),
  /** Absent: 'process'. */
  isolation: z.enum(['process', 'shared']).exactOptional(),
  createdAt: z.string(),
  /** A sandbox does not outlive the boot that it was made in, as a network namespace does not. */
  bootId: z.string(),
  state: z.enum(['SANDBOX_READY', 'SANDBOX_NOTREADY']),
});
export type SandboxRecord = Readonly<z.infer<typeof sandboxSchema>>;
export const SANDBOX_RECORD: RecordType<SandboxRecord> = { kind: 'PodSandbox', version: 1, schema: sandboxSchema };

const containerSchema = z.object({ id: z.string(), createdAt: z.string(), config: schemas.containerConfig });
export type ContainerRecord = Readonly<z.infer<typeof containerSchema>>;
export const CONTAINER_RECORD: RecordType<ContainerRecord> = {
  kind: 'Container',
  version: 1,
  schema: containerSchema,
};

const hostSchema = z.object({
  id: z.string(),
  pid: z.number().int(),
  startTime: z.string(),
  bootId: z.string(),
  /** Whether others share it; absent: it is the container's own. */
  shared: z.boolean().exactOptional(),
});

const stateSchema = z.object({
  host: hostSchema,
  /** When the host was given the container; `startedAt` when it said that the guest runs. */
  claimedAt: z.string(),
  startedAt: z.string().exactOptional(),
  /** Why it has a host of its own although its handler shares them. */
  ownHost: z.string().exactOptional(),
});
export type StateRecord = Readonly<z.infer<typeof stateSchema>>;
export const STATE_RECORD: RecordType<StateRecord> = { kind: 'ContainerState', version: 1, schema: stateSchema };

/** The host of a command that runs in a container. */
export type CommandRecord = Readonly<z.infer<typeof hostSchema>>;
export const COMMAND_RECORD: RecordType<CommandRecord> = { kind: 'Command', version: 1, schema: hostSchema };

const EXIT_RECORD_TYPE: RecordType<ContainerExit> = {
  ...EXIT_RECORD,
  schema: z.object({
    exitCode: z.number().int().min(0).max(255),
    reason: z.enum(['Completed', 'Error', 'OOMKilled', 'StartError', 'ContainerStatusUnknown']),
    message: z.string(),
    finishedAt: z.string(),
  }),
};

/** Bytes of an exit record at the most: a guest that has taken over its host writes what it likes. */
const MAX_EXIT_BYTES = 64 * 1024;

/**
 * How the container in this folder ended, or undefined while nobody has noted it: as the supervisor has noted, else as
 * its host.
 * @throws WasmletError InvalidRecord
 */
// eslint-disable-next-line @typescript-eslint/require-await -- rejects, as all that reads records does
export async function readExit(directory: string): Promise<ContainerExit | undefined> {
  for (const folder of [directory, hostStatePath(directory)]) {
    const path = exitRecordPath(folder);
    const text = readBounded(path, MAX_EXIT_BYTES)?.toString('utf8');
    // An empty one is as none: see readRecord.
    if (text !== undefined && text !== '') return parseRecord(text, EXIT_RECORD_TYPE, path);
  }
  return undefined;
}

/** Names that become folders: Kubernetes' own names and UIDs all pass. */
const PATH_SAFE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/;

function pathSafe(what: string, name: string): string {
  if (PATH_SAFE.test(name)) return name;
  throw new WasmletError('InvalidArgument', `${what} ${JSON.stringify(name)} cannot be the name of a folder`);
}

export const podsDirectory = (root: string): string => join(root, 'pods');
export const runDirectory = (root: string): string => join(root, 'run');
export const runtimeDirectory = (root: string): string => join(root, 'runtime');

/**
 * A sandbox's folder.
 * @throws WasmletError InvalidArgument when namespace or UID could lead elsewhere
 */
export const sandboxDirectory = (
  root: string,
  metadata: { readonly namespace: string; readonly uid: string },
  id: string,
): string =>
  join(
    podsDirectory(root),
    pathSafe('namespace', metadata.namespace),
    pathSafe('pod UID', metadata.uid),
    'runtime',
    id,
  );

export const sandboxPath = (directory: string): string => join(directory, 'sandbox.json');
export const containersDirectory = (sandbox: string): string => join(sandbox, 'containers');
export const containerDirectory = (sandbox: string, id: string): string => join(containersDirectory(sandbox), id);
export const configPath = (directory: string): string => join(directory, 'config.json');
export const statePath = (directory: string): string => join(directory, 'state.json');
export const rootPath = (directory: string): string => join(directory, 'root');
export const upperPath = (directory: string): string => join(directory, 'upper');
export const workPath = (directory: string): string => join(directory, 'work');
/** What the container's host may write of its own affairs. */
export const hostStatePath = (directory: string): string => join(directory, 'state');
export const hostErrorPath = (directory: string): string => join(directory, 'host.stderr');
export const commandsDirectory = (directory: string): string => join(directory, 'commands');
export const commandPath = (directory: string, hostId: string): string =>
  join(commandsDirectory(directory), `${hostId}.json`);

/** None outlives its boot by much, so the disk is not waited for: docs/RATIONALE.md. */
const note = <T>(path: string, type: RecordType<T>, body: T): Promise<void> =>
  writeRecord(path, type, body, { durable: false });

export const noteSandbox = (directory: string, body: SandboxRecord): Promise<void> =>
  note(sandboxPath(directory), SANDBOX_RECORD, body);

export const noteContainer = (directory: string, body: ContainerRecord): Promise<void> =>
  note(configPath(directory), CONTAINER_RECORD, body);

export const noteState = (directory: string, body: StateRecord): Promise<void> =>
  note(statePath(directory), STATE_RECORD, body);

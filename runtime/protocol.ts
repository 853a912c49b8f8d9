import { z } from 'zod';
import { ERROR_CODES } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import * as schemas from './schemas.ts';

/**
 * What agent and supervisor say to each other: one JSON object per line over a Unix socket, each with the protocol's
 * version. A request is answered by one response of the same id, in any order; `containerEvents` is answered at once
 * and then followed by `event` messages of that id until the client sends `cancel` or the connection ends. `exec` sends
 * `output` messages of its id before its response, which tells the end; `cancel` and the end of the connection end it.
 */

export const PROTOCOL_VERSION = 1;

/** Bytes of one message at the most: the environment of a container can come near a mebibyte, a list of all pods too. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

const nothing = z.null();

/** Every method with the schema of its parameters and of its result. */
export const METHODS = {
  version: { params: z.tuple([]), result: schemas.runtimeVersion },
  status: { params: z.tuple([]), result: schemas.runtimeStatus },
  /** Not CRI: an agent says how its runtime handlers run, so that its configuration rules and not the supervisor's age. */
  configure: {
    params: z.tuple([
      z.object({
        handlers: z.record(
          z.string(),
          z.object({ engine: z.enum(['v8', 'interpreter']), isolation: z.enum(['process', 'shared']) }),
        ),
        defaultHandler: z.string(),
        posixExtension: z.boolean().exactOptional(),
        maxContainersPerHost: z.number().int().min(1).exactOptional(),
        confinement: z.enum(['required', 'preferred', 'none']).exactOptional(),
        userIds: schemas.userIds.exactOptional(),
        cni: z.object({ confDir: z.string(), binDir: z.string() }).exactOptional(),
      }),
    ]),
    result: nothing,
  },
  runPodSandbox: { params: z.tuple([schemas.podSandboxConfig, z.string()]), result: z.string() },
  stopPodSandbox: { params: z.tuple([z.string()]), result: nothing },
  removePodSandbox: { params: z.tuple([z.string()]), result: nothing },
  podSandboxStatus: { params: z.tuple([z.string()]), result: schemas.podSandboxStatus },
  listPodSandbox: { params: z.tuple([schemas.podSandboxFilter]), result: z.array(schemas.podSandbox).readonly() },
  createContainer: { params: z.tuple([z.string(), schemas.containerConfig]), result: z.string() },
  startContainer: { params: z.tuple([z.string()]), result: nothing },
  stopContainer: { params: z.tuple([z.string(), z.number().min(0)]), result: nothing },
  removeContainer: { params: z.tuple([z.string()]), result: nothing },
  containerStatus: { params: z.tuple([z.string()]), result: schemas.containerStatus },
  listContainers: { params: z.tuple([schemas.containerFilter]), result: z.array(schemas.container).readonly() },
  listContainerStats: {
    params: z.tuple([schemas.containerFilter]),
    result: z.array(schemas.containerStats).readonly(),
  },
  /** Not CRI: a guest of an engine that can stand still (GuestControlService). */
  pauseContainer: { params: z.tuple([z.string()]), result: nothing },
  resumeContainer: { params: z.tuple([z.string()]), result: nothing },
  containerStack: { params: z.tuple([z.string()]), result: z.array(schemas.guestFrame).readonly() },
  /** Base64. */
  profileContainer: { params: z.tuple([z.string(), z.number().int().min(1).max(3_600_000)]), result: z.string() },
  /** CRI's CheckpointContainer, but for its form. */
  checkpointContainer: { params: z.tuple([z.string(), z.string()]), result: nothing },
  containerEvents: { params: z.tuple([]), result: nothing },
  /** CRI's ExecSync and, with what is to come, Exec: output comes as it is written, so nothing holds all of it. */
  exec: {
    params: z.tuple([z.string(), schemas.execRequest]),
    result: z.object({ exitCode: z.number().int().min(0).max(255) }),
  },
  cancel: { params: z.tuple([z.number()]), result: nothing },
} as const;

export type Method = keyof typeof METHODS;
export type Params<M extends Method> = z.infer<(typeof METHODS)[M]['params']>;
export type Result<M extends Method> = z.infer<(typeof METHODS)[M]['result']>;

export const isMethod = (name: string): name is Method => Object.hasOwn(METHODS, name);

const id = z.number().int().min(0);

/** `v` is read before all else: a message of another version may look different in everything but that. */
export const versioned = z.object({ v: z.number().int() });

export const request = z.object({ id, method: z.string(), params: z.array(z.unknown()) });

const errorCode = z.custom<ErrorCode>((value) => typeof value === 'string' && Object.hasOwn(ERROR_CODES, value));

export const response = z.union([
  // A code of a newer release that this one does not know is a fault it cannot act upon.
  z.object({ id, error: z.object({ code: errorCode.catch('Internal'), message: z.string() }) }),
  z.object({ id, event: schemas.containerEvent }),
  z.object({ id, output: schemas.execOutput }),
  z.object({ id, result: z.unknown() }),
]);
export type Response = z.infer<typeof response>;

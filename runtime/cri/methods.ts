import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { streaming, unary } from './call.ts';
import type { CallContext, Unary } from './call.ts';
import { listContainers } from './container-status.ts';
import { containerMethods } from './containers.ts';
import type { CriContext } from './context.ts';
import { containerEvents } from './events.ts';
import { execMethods } from './exec.ts';
import { imageMethods, listImages } from './images.ts';
import type { ContainerFilter, Filtered, ImageRequest, Nothing, PodSandboxFilter, StatsFilter } from './messages.ts';
import { nodeMethods } from './node.ts';
import { listSandboxes, sandboxMethods } from './sandboxes.ts';
import { listContainerStats, listSandboxStats, statsMethods } from './stats.ts';

/** Entries in one message of a stream: a thousand containers with long annotations stay far below 16 MiB. */
const STREAM_CHUNK = 1000;

/** RuntimeService, as grpc-js takes it. */
export function runtimeImplementation(context: CriContext, call: CallContext): UntypedServiceImplementation {
  return {
    ...unaryMethods(nodeMethods(context), call),
    ...unaryMethods(sandboxMethods(context), call),
    ...unaryMethods(containerMethods(context), call),
    ...unaryMethods(execMethods(context), call),
    ...unaryMethods(statsMethods(context), call),
    streamPodSandboxes: streaming(
      'streamPodSandboxes',
      ({ filter }: Filtered<PodSandboxFilter>) => chunks('podSandboxes', listSandboxes(context, filter)),
      call,
    ),
    streamContainers: streaming(
      'streamContainers',
      ({ filter }: Filtered<ContainerFilter>) => chunks('containers', listContainers(context, filter)),
      call,
    ),
    streamContainerStats: streaming(
      'streamContainerStats',
      ({ filter }: Filtered<StatsFilter>) => chunks('containerStats', listContainerStats(context, filter)),
      call,
    ),
    streamPodSandboxStats: streaming(
      'streamPodSandboxStats',
      ({ filter }: Filtered<StatsFilter>) => chunks('podSandboxStats', listSandboxStats(context, filter)),
      call,
    ),
    getContainerEvents: streaming(
      'getContainerEvents',
      (request: Nothing, signal) => containerEvents(context, request, signal),
      call,
    ),
  };
}

/** ImageService, as grpc-js takes it. */
export function imageImplementation(context: CriContext, call: CallContext): UntypedServiceImplementation {
  return {
    ...unaryMethods(imageMethods(context), call),
    streamImages: streaming(
      'streamImages',
      ({ filter }: Filtered<ImageRequest>) => chunks('images', listImages(context, filter)),
      call,
    ),
  };
}

function unaryMethods(
  methods: Readonly<Record<string, Unary<never, unknown>>>,
  call: CallContext,
): UntypedServiceImplementation {
  const entries = Object.entries(methods as Record<string, Unary<unknown, unknown>>);
  return Object.fromEntries(entries.map(([name, method]) => [name, unary(name, method, call)]));
}

/** A list as messages of a stream, each with a part of it under `key`. */
async function* chunks<T>(key: string, list: Promise<readonly T[]>): AsyncIterable<Readonly<Record<string, unknown>>> {
  const all = await list;
  for (let at = 0; at < all.length; at += STREAM_CHUNK) yield { [key]: all.slice(at, at + STREAM_CHUNK) };
}

import type { Method, Params, Result } from '../protocol.ts';
import { checkpointGuest, pauseGuest, profileGuest, resumeGuest, stackOfGuest } from './guest-control.ts';
import type { Runtime } from './runtime.ts';

/** Methods that say more than one thing: their connection runs them (server.ts). */
export const STREAMS = ['containerEvents', 'exec', 'cancel'] as const satisfies Method[];

export type CallMethod = Exclude<Method, (typeof STREAMS)[number]>;

type Calls = { readonly [M in CallMethod]: (runtime: Runtime, params: Params<M>) => Result<M> | Promise<Result<M>> };

/** What each method of the protocol does. */
const CALLS: Calls = {
  version: (runtime) => runtime.version(),
  status: (runtime) => runtime.status(),
  configure: (runtime, [handlers]) => {
    runtime.configure(handlers);
    return null;
  },
  runPodSandbox: (runtime, [config, handler]) => runtime.runPodSandbox(config, handler),
  stopPodSandbox: (runtime, [id]) => done(runtime.stopPodSandbox(id)),
  removePodSandbox: (runtime, [id]) => done(runtime.removePodSandbox(id)),
  podSandboxStatus: (runtime, [id]) => runtime.sandbox(id).status(),
  listPodSandbox: (runtime, [filter]) => runtime.listPodSandbox(filter).map((entry) => entry.summary()),
  createContainer: (runtime, [id, config]) => runtime.createContainer(id, config),
  startContainer: (runtime, [id]) => done(runtime.startContainer(id)),
  stopContainer: (runtime, [id, timeoutSeconds]) => done(runtime.stopContainer(id, timeoutSeconds)),
  removeContainer: (runtime, [id]) => done(runtime.removeContainer(id)),
  containerStatus: (runtime, [id]) => runtime.container(id).status(),
  listContainers: (runtime, [filter]) => runtime.listContainers(filter).map((entry) => entry.summary()),
  listContainerStats: async (runtime, [filter]) => await runtime.listContainerStats(filter),
  pauseContainer: (runtime, [id]) => done(pauseGuest(runtime.controlled(id))),
  resumeContainer: (runtime, [id]) => done(resumeGuest(runtime.controlled(id))),
  containerStack: (runtime, [id]) => stackOfGuest(runtime.controlled(id)),
  profileContainer: (runtime, [id, milliseconds]) => profileGuest(runtime.controlled(id), milliseconds),
  checkpointContainer: (runtime, [id, location]) => done(checkpointGuest(runtime.controlled(id), location)),
};

async function done(call: Promise<unknown>): Promise<null> {
  await call;
  return null;
}

/** Runs one method with parameters that its schema has accepted. */
export async function dispatch(runtime: Runtime, method: CallMethod, params: unknown): Promise<unknown> {
  const call = CALLS[method] as (runtime: Runtime, params: unknown) => unknown;
  return await call(runtime, params);
}

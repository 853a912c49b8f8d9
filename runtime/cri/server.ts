import { Server, ServerCredentials } from '@grpc/grpc-js';
import { isSettledWithin } from '../../base/within.ts';
import type { CriContext } from './context.ts';
import { loadDefinition } from './definition.ts';
import { imageImplementation, runtimeImplementation } from './methods.ts';
import { listen, socketPath } from './socket.ts';

export type { CriContext } from './context.ts';

/** As the kubelet's and containerd's: a list of all containers of a full node is larger than gRPC's 4 MiB. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** How long calls may take to end when the server does. */
const END_MS = 5000;

/**
 * Serves CRI v1 (RuntimeService and ImageService) to kubelets and crictl, until `signal` ends it. What runs goes on.
 * @param endpoint 'unix:///run/wasmlet/cri.sock'; the socket is its owner's alone
 * @param onReady called once the socket answers
 * @throws WasmletError InvalidConfig for a socket that cannot be; AlreadyExists when another server listens on it
 */
export async function serveCri(
  context: CriContext,
  endpoint: string,
  signal: AbortSignal,
  onReady: () => void = () => undefined,
): Promise<void> {
  const ended = new AbortController();
  const server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  });
  const { runtimeService, imageService } = loadDefinition();
  const call = { signal: ended.signal, logger: context.logger };
  server.addService(runtimeService, runtimeImplementation(context, call));
  server.addService(imageService, imageImplementation(context, call));
  // Not grpc-js' own listening: the socket's mode must be right from its first moment.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  await using _listening = await listen(socketPath(endpoint), (socket) => injector.injectConnection(socket));
  onReady();
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  // Streams of events end, and pulls are given up; what else is under way is answered.
  ended.abort();
  const allAnswered = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  await isSettledWithin(allAnswered, END_MS);
  server.forceShutdown();
}

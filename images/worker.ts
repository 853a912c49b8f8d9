/** Entry of the worker thread that hashes, decompresses and unpacks (worker-thread.ts starts it). */
import { parentPort } from 'node:worker_threads';
import { messageOf, WasmletError } from '../base/errors.ts';
import { layOutMembers } from './archive/members.ts';
import { inspectBlob } from './content.ts';
import { unpackLayers } from './unpack/layers.ts';
import type { TaskKind, Tasks, WorkerReply, WorkerRequest } from './unpack/tasks.ts';
import { verifyBlob } from './unpack/verify.ts';

const running = new Map<number, AbortController>();

function perform(
  request: Exclude<WorkerRequest, { kind: 'cancel' }>,
  signal: AbortSignal,
): Promise<Tasks[TaskKind]['output']> {
  switch (request.kind) {
    case 'verify':
      return verifyBlob(request.input, signal);
    case 'inspect':
      return inspectBlob(request.input.path);
    case 'unpack':
      return unpackLayers(request.input, signal);
    case 'members':
      return layOutMembers(request.input, signal);
  }
}

async function serve(request: WorkerRequest): Promise<void> {
  if (request.kind === 'cancel') return running.get(request.id)?.abort();
  const controller = new AbortController();
  running.set(request.id, controller);
  let reply: WorkerReply;
  try {
    reply = { id: request.id, output: await perform(request, controller.signal) };
  } catch (error) {
    const code = error instanceof WasmletError ? error.code : 'ErrImagePull';
    reply = { id: request.id, error: { code, message: messageOf(error) } };
  } finally {
    running.delete(request.id);
  }
  parentPort?.postMessage(reply);
}

parentPort?.on('message', (request: WorkerRequest) => void serve(request));

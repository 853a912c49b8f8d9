/** Entry of the worker thread that rewrites modules (modules.ts starts it). */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../../base/errors.ts';
import { prepareModule } from './prepare.ts';
import type { PrepareReply, PrepareRequest } from './modules.ts';

async function serve({ id, source, folder }: PrepareRequest): Promise<void> {
  let reply: PrepareReply;
  try {
    reply = { id, prepared: await prepareModule(source, folder) };
  } catch (error) {
    reply = { id, error: messageOf(error) };
  }
  parentPort?.postMessage(reply);
}

parentPort?.on('message', (request: PrepareRequest) => void serve(request));

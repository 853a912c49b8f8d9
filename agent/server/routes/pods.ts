import { Router } from 'express';
import type { Pod } from '../../kube/types.ts';
import { methodNotAllowed } from './respond.ts';
import { writeAll } from './stream.ts';

const STALL_MS = 60_000;

/** /pods: the pods of this node as a v1.PodList, which monitoring reads instead of asking the API server. */
export function podsRoutes(list: () => readonly Pod[]): Router {
  const router = Router({ caseSensitive: true });
  router
    .route('/pods')
    .head(methodNotAllowed('GET'))
    .get(async (_request, response) => {
      // As the kubelet has it: Express would add a charset.
      response.setHeader('Content-Type', 'application/json');
      if (await writeAll(response, podList(list()), STALL_MS)) response.end();
    })
    .all(methodNotAllowed('GET'));
  return router;
}

/** A list of hundreds of pods is megabytes: made pod by pod, it holds neither the loop nor the memory. */
// eslint-disable-next-line @typescript-eslint/require-await -- written as a response is: asynchronously
async function* podList(pods: readonly Pod[]): AsyncGenerator<Uint8Array> {
  yield Buffer.from('{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[');
  for (const [index, pod] of pods.entries()) {
    const { apiVersion: _, kind: __, ...item } = pod;
    yield Buffer.from(`${index === 0 ? '' : ','}${JSON.stringify(item)}`);
  }
  yield Buffer.from(']}\n');
}

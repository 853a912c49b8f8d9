import { request } from 'node:https';
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createCredentialSource } from '../../kube/auth.ts';
import { loadKubeConfig } from '../../kube/kubeconfig.ts';

/** Lines that are shown of what was written before somebody looked. */
const TAIL_LINES = 500;

export interface LogTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** Streams a container's log, as `kubectl logs --follow`, until either side ends it. */
export class LogSource {
  readonly #server: string;
  readonly #credentials: ReturnType<typeof createCredentialSource>;

  constructor(kubeconfigFile: string) {
    const kubeconfig = loadKubeConfig(kubeconfigFile);
    this.#server = kubeconfig.cluster.server;
    this.#credentials = createCredentialSource(kubeconfig);
  }

  /** @throws system errors when the API server does not answer */
  async follow({ namespace, pod, container }: LogTarget, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const { tls } = await this.#credentials.read();
    const [space, name] = [namespace, pod].map(encodeURIComponent);
    const query = new URLSearchParams({ container, follow: 'true', tailLines: String(TAIL_LINES) });
    const url = `${this.#server}/api/v1/namespaces/${space}/pods/${name}/log?${query.toString()}`;
    const asked = request(url, { ...tls, signal });
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    asked.on('error', reject);
    asked.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, { 'Content-Type': 'text/plain; charset=utf-8' });
      response.flushHeaders();
      pipeline(answer, response).then(() => resolve(undefined), reject);
    });
    asked.end();
    await promise;
  }
}

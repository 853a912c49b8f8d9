import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Router, type Request, type Response } from 'express';
import type { MetricsEndpoints } from '../../metrics/endpoints.ts';
import { CONTENT_TYPE } from '../../metrics/exposition.ts';

const compress = promisify(gzip);
/** Less than this is sent as it is. */
const MIN_COMPRESSED = 1024;

/** /metrics and what is beneath it, for Prometheus. As the kubelet's, they answer whatever the method. */
export function metricsRoutes(endpoints: MetricsEndpoints): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const texts: Readonly<Record<string, () => Promise<string>>> = {
    '/metrics': () => endpoints.agent(),
    '/metrics/cadvisor': () => endpoints.cadvisor(),
    '/metrics/probes': () => endpoints.probes(),
    '/metrics/resource': () => endpoints.resource(),
  };
  for (const [path, text] of Object.entries(texts)) {
    router.all(path, async (request, response) => {
      await send(request, response, await text());
    });
  }
  return router;
}

async function send(request: Request, response: Response, text: string): Promise<void> {
  response.setHeader('Content-Type', CONTENT_TYPE);
  const isCompressed = text.length >= MIN_COMPRESSED && request.acceptsEncodings('gzip', 'identity') === 'gzip';
  if (isCompressed) response.setHeader('Content-Encoding', 'gzip');
  response.end(isCompressed ? await compress(text) : text);
}

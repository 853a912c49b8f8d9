import { Router } from 'express';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { MetricsEndpoints } from '../../metrics/endpoints.ts';
import { queryOf } from './query.ts';
import { methodNotAllowed, sendText } from './respond.ts';

/** /stats/summary?only_cpu_and_memory=true (pkg/kubelet/server/stats/handler.go). */
export function statsRoutes(endpoints: MetricsEndpoints, logger: Logger): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const route = router.route('/stats/summary').head(methodNotAllowed('GET', 'POST'));
  for (const method of ['get', 'post'] as const) {
    route[method](async (request, response) => {
      const only = queryOf(request).getAll('only_cpu_and_memory');
      try {
        const json = await endpoints.summary(only.length === 1 && only[0] === 'true');
        // As the kubelet has it: Express would add a charset.
        response.setHeader('Content-Type', 'application/json');
        response.end(json);
      } catch (error) {
        logger.error('statistics could not be read for /stats/summary', { error: messageOf(error) });
        sendText(response, 500, `Internal Error: ${messageOf(error)}`);
      }
    });
  }
  route.all(methodNotAllowed('GET', 'POST'));
  return router;
}

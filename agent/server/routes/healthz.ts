import { Router, type RequestHandler } from 'express';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { queryOf } from './query.ts';
import { sendText } from './respond.ts';

/** One thing that must be well for the node to be. */
export interface HealthCheck {
  /** Its path under /healthz. */
  readonly name: string;
  /** Throws when it is not well; the message is logged, and shown to those who ask for this check alone. */
  readonly check: () => void | Promise<void>;
}

/** Unwritten log text beyond which nobody seems to take it. */
const MAX_LOG_BACKLOG = 16 * 1024 ** 2;

/** What the kubelet checks too: that it answers at all, and that its log is taken. */
const COMMON_CHECKS: readonly HealthCheck[] = [
  { name: 'ping', check: () => undefined },
  {
    name: 'log',
    check: () => {
      const { writable, writableLength } = process.stderr;
      if (!writable) throw new Error('the log cannot be written');
      if (writableLength > MAX_LOG_BACKLOG) throw new Error(`${writableLength} bytes of log wait to be written`);
    },
  },
];

const quoted = (names: Iterable<string>): string => [...names].map((name) => JSON.stringify(name)).join(',');

/** /healthz, /healthz?verbose&exclude=NAME and /healthz/NAME (apiserver, pkg/server/healthz). */
export function healthzRoutes(checks: readonly HealthCheck[], logger: Logger): Router {
  const router = Router({ caseSensitive: true });
  const all = [...COMMON_CHECKS, ...checks];
  router.all('/healthz', rootHandler(all, logger));
  for (const { name, check } of all) {
    router.all(`/healthz/${name}`, async (_request, response) => {
      try {
        await check();
        sendText(response, 200, 'ok');
      } catch (error) {
        sendText(response, 500, `internal server error: ${messageOf(error)}\n`);
      }
    });
  }
  return router;
}

function rootHandler(checks: readonly HealthCheck[], logger: Logger): RequestHandler {
  return async (request, response) => {
    const query = queryOf(request);
    const excluded = new Set(query.getAll('exclude'));
    const unknown = excluded.difference(new Set(checks.map(({ name }) => name)));
    const failed: string[] = [];
    let report = '';
    for (const { name, check } of checks) {
      if (excluded.has(name)) {
        report += `[+]${name} excluded: ok\n`;
        continue;
      }
      try {
        await check();
        report += `[+]${name} ok\n`;
      } catch (error) {
        // Who may ask for the health of the node need not see the reason.
        report += `[-]${name} failed: reason withheld\n`;
        failed.push(name);
        logger.warn('health check failed', { check: name, error: messageOf(error) });
      }
    }
    if (unknown.size > 0) {
      report += `warn: some health checks cannot be excluded: no matches for ${quoted([...unknown].sort())}\n`;
    }
    response.set('X-Content-Type-Options', 'nosniff');
    if (failed.length > 0) sendText(response, 500, `${report}healthz check failed\n`);
    else sendText(response, 200, query.has('verbose') ? `${report}healthz check passed\n` : 'ok');
  };
}

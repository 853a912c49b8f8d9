import type { RequestHandler } from 'express';
import type { AgentMetrics } from '../metrics/agent-metrics.ts';

/** Paths that are told apart; all others are one, so that nobody can make series by asking for what is not there. */
const PATHS = ['containerLogs', 'healthz', 'metrics', 'pods', 'stats'];
const METRICS_PATHS = ['metrics/cadvisor', 'metrics/probes', 'metrics/resource'];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE'];
/** pkg/kubelet/server/server.go, longRunningRequestPathMap. */
const LONG_RUNNING = ['exec', 'attach', 'portforward', 'debug'];

/** Counts and times the requests to the node's API (pkg/kubelet/server/server.go, ServeHTTP). */
export function requestMetrics(metrics: AgentMetrics): RequestHandler {
  return (request, response, next) => {
    const path = pathBucket(request.path);
    const labels = {
      method: METHODS.includes(request.method) ? request.method : 'other',
      path,
      server_type: 'readwrite',
      long_running: String(LONG_RUNNING.includes(path)),
    };
    const startedAt = performance.now();
    metrics.httpRequests.inc(labels);
    metrics.httpInflightRequests.add(labels, 1);
    response.once('close', () => {
      metrics.httpInflightRequests.add(labels, -1);
      metrics.httpRequestsDuration.observe(labels, (performance.now() - startedAt) / 1000);
    });
    next();
  };
}

/** '/metrics/x' is itself; of others the first part counts. */
function pathBucket(path: string): string {
  const [, first = '', second = ''] = path.split('/');
  const both = `${first}/${second}`;
  if (METRICS_PATHS.includes(both)) return both;
  if (first === 'metrics' && second !== '') return 'other';
  return PATHS.includes(first) ? first : 'other';
}

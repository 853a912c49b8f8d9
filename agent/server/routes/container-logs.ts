import { Router, type Request, type Response } from 'express';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Pod } from '../../kube/types.ts';
import { openLogReader, type ContainerLog } from '../logs/reader.ts';
import { InvalidLogQuery, parseLogQuery, type LogQuery } from './log-options.ts';
import { queryOf } from './query.ts';
import { methodNotAllowed, sendText } from './respond.ts';
import { writeAll } from './stream.ts';

/** What the routes need of the node's pods; a PodManager has it. */
export interface PodSource {
  /** The pods that this node runs or is to run, with their newest status. */
  pods(): readonly Pod[];
  /**
   * Where a container's log is.
   * @throws an error whose message is the answer to the user, in the kubelet's words
   */
  containerLogPath(namespace: string, pod: string, container: string, previous: boolean): Promise<ContainerLog>;
}

export interface ContainerLogsOptions {
  readonly pods: PodSource;
  /** A client that takes nothing for so long is let go. */
  readonly stallMs: number;
  readonly logger: Logger;
}

interface LogPath {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

/** /containerLogs/{namespace}/{pod}/{container} (pkg/kubelet/server/server.go, getContainerLogs). */
export function containerLogsRoutes(options: ContainerLogsOptions): Router {
  const router = Router({ caseSensitive: true });
  router
    .route('/containerLogs/:namespace/:pod/:container')
    .head(methodNotAllowed('GET'))
    .get(async (request: Request<Record<keyof LogPath, string>>, response) => {
      await serveLog(request.params, queryOf(request as Request), response, options);
    })
    .all(methodNotAllowed('GET'));
  return router;
}

async function serveLog(path: LogPath, query: URLSearchParams, response: Response, options: ContainerLogsOptions) {
  let logQuery: LogQuery;
  try {
    logQuery = parseLogQuery(query, Date.now());
  } catch (error) {
    sendText(response, error instanceof InvalidLogQuery ? error.status : 500, messageOf(error));
    return;
  }
  const pod = findPod(options.pods, path);
  if (!pod) {
    sendText(response, 404, `pod ${JSON.stringify(path.pod)} does not exist`);
    return;
  }
  if (!hasContainer(pod, path.container)) {
    sendText(response, 404, `container ${JSON.stringify(path.container)} not found in pod ${JSON.stringify(path.pod)}`);
    return;
  }
  await streamLog(path, logQuery, response, options);
}

async function streamLog(
  path: LogPath,
  query: LogQuery,
  response: Response,
  { pods, stallMs, logger }: ContainerLogsOptions,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const log = await pods.containerLogPath(path.namespace, path.pod, path.container, query.previous);
    await using reader = await openLogReader(log, query, { signal: gone.signal, logger });
    // A follow of a silent container answers at once all the same.
    response.status(200).set('Content-Type', 'text/plain; charset=utf-8').flushHeaders();
    if (await writeAll(response, reader.chunks(), stallMs)) response.end();
  } catch (error) {
    if (!response.headersSent) {
      sendText(response, 400, messageOf(error));
      return;
    }
    // A log that breaks off must not look like one that was read to its end.
    logger.warn('reading a container log failed', { ...path, error: messageOf(error) });
    response.destroy();
  }
}

function findPod(pods: PodSource, { namespace, pod }: LogPath): Pod | undefined {
  return pods.pods().find(({ metadata }) => metadata?.name === pod && metadata.namespace === namespace);
}

function hasContainer({ spec }: Pod, name: string): boolean {
  return [spec?.containers, spec?.initContainers, spec?.ephemeralContainers].some((containers) =>
    containers?.some((container) => container.name === name),
  );
}

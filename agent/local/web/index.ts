import { join } from 'node:path';
import { errnoOf, messageOf, WasmletError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { writeFileAtomic } from '../../../base/record.ts';
import type { ContainerStats } from '../../../runtime/service.ts';
import { createKubeClient } from '../../kube/http-client.ts';
import { Access } from './access.ts';
import { readAssets } from './assets.ts';
import { Feed } from './feed.ts';
import { LogSource } from './log.ts';
import { startWebServer, type WebServer, type WebServerOptions } from './server.ts';

const USUAL_PORT = 7480;

export interface WebPageOptions {
  /** Of the page, on 127.0.0.1; 0: any that is free; undefined: the usual one, if that is free. */
  readonly port: number | undefined;
  /** Folder that a file with the link that works is kept in. */
  readonly root: string;
  /** The administrator's. */
  readonly kubeconfig: string;
  readonly nodeName: string;
  readonly stats: () => Promise<readonly ContainerStats[]>;
  readonly logger: Logger;
}

export interface WebPage extends AsyncDisposable {
  /** The link to open, which works once; the next one is in `<root>/web-link`. */
  readonly link: string;
}

/**
 * A page for browsers on this machine: pods, logs, CPU and memory, events, images. It shows and changes nothing.
 * @throws WasmletError Unavailable when the port is taken
 */
export async function startWebPage(options: WebPageOptions): Promise<WebPage> {
  const { root, kubeconfig, nodeName, stats, logger } = options;
  await using stack = new AsyncDisposableStack();
  const client = stack.use(createKubeClient({ kubeconfigFile: kubeconfig, qps: 50, burst: 100, logger }));
  const feed = new Feed({ client, nodeName, stats, logger });
  const ended = new AbortController();
  let link = '';
  const access = (port: number): Access =>
    new Access((token) => {
      link = `http://127.0.0.1:${port}/?token=${token}`;
      writeFileAtomic(join(root, 'web-link'), `${link}\n`).catch((error: unknown) => {
        logger.warn('the link to the page cannot be written', { error: messageOf(error) });
      });
    });
  const parts = { access, assets: await readAssets(), feed, logs: new LogSource(kubeconfig), logger };
  stack.use(await listen(parts, options.port));
  const running = feed.run(ended.signal);
  stack.defer(async () => {
    ended.abort();
    await running;
  });
  const owned = stack.move();
  return { link, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function listen(options: Omit<WebServerOptions, 'port'>, asked: number | undefined): Promise<WebServer> {
  const port = asked ?? USUAL_PORT;
  try {
    return await startWebServer({ ...options, port });
  } catch (cause) {
    if (errnoOf(cause) !== 'EADDRINUSE') throw cause;
    if (asked === undefined) return await startWebServer({ ...options, port: 0 });
    const message = `port ${port} of 127.0.0.1 is taken: give another one with --web-port, or 0 for any that is free`;
    throw new WasmletError('Unavailable', message, { cause });
  }
}

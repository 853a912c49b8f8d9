import { constants } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import express from 'express';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { parseDuration } from '../config/duration.ts';
import type { Config } from '../config/schema.ts';
import { sleep } from '../kube/backoff.ts';
import type { KubeClient } from '../kube/client.ts';
import type { AgentMetrics } from '../metrics/agent-metrics.ts';
import type { MetricsEndpoints } from '../metrics/endpoints.ts';
import { createAuthFilter } from './auth/index.ts';
import { containerLogsRoutes, type PodSource } from './routes/container-logs.ts';
import { healthzRoutes, type HealthCheck } from './routes/healthz.ts';
import { requestMetrics } from './request-metrics.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { podsRoutes } from './routes/pods.ts';
import { notFound, sendText } from './routes/respond.ts';
import { statsRoutes } from './routes/stats.ts';
import { loadClientCA, type ClientCA } from './tls/client-ca.ts';
import { servingCertificate, type ServingCertificate } from './tls/serving-certificate.ts';

export type { ContainerLog } from './logs/reader.ts';
export type { HealthCheck } from './routes/healthz.ts';
export type { PodSource } from './routes/container-logs.ts';

export type NodeServerConfig = Pick<
  Config,
  | 'rootDir'
  | 'address'
  | 'port'
  | 'tlsCertFile'
  | 'tlsPrivateKeyFile'
  | 'clientCAFile'
  | 'streamingConnectionIdleTimeout'
>;

export interface NodeServerOptions {
  readonly config: NodeServerConfig;
  readonly client: KubeClient;
  /** The cluster's certificate authority by the node's kubeconfig, PEM; '' for none. See certificateAuthorityOf. */
  readonly clusterCA: () => string;
  readonly pods: PodSource;
  /** Where requests are counted. */
  readonly metrics: AgentMetrics;
  readonly endpoints: MetricsEndpoints;
  /** `addresses`: IP addresses that the self-signed certificate is made for, beside the name. */
  readonly node: { readonly name: string; readonly addresses: readonly string[] };
  /** Health checks beyond ping and log, such as the kubelet's syncloop. */
  readonly checks?: readonly HealthCheck[];
  /** Milliseconds from one look at certificates and authorities to the next. Default 60 000. */
  readonly reloadMs?: number;
  readonly logger: Logger;
}

/** The node's HTTPS API, what the kubelet serves on :10250. */
export interface NodeServer extends AsyncDisposable {
  /** The port listened on, for the Node's daemonEndpoints; 0 before listen. */
  readonly port: number;
  /**
   * Starts to serve; the server ends with the signal.
   * @throws WasmletError InvalidConfig for certificate files that cannot be used; the system's error, EADDRINUSE for one
   */
  listen(signal: AbortSignal): Promise<void>;
}

/** How often certificates and authorities are looked at (the kubelet's dynamic certificates: each minute). */
const RELOAD_MS = 60_000;
/** Until there is a client CA, the API server itself cannot ask for logs. */
const RETRY_MS = 5000;
/** An authority read through the API costs a request. */
const CLIENT_CA_RELOADS = 10;
/** Go's http.DefaultTransport, the API server's among them, gives up idle connections after so long. */
const KEEP_ALIVE_MS = 90_000;
const HEADERS_MS = 10_000;
const HANDSHAKE_MS = 10_000;
/** No request of this API has a body worth waiting for; connections that become streams are not requests any more. */
const REQUEST_MS = 60_000;
const MAX_HEADER_BYTES = 64 * 1024;
const MAX_CONNECTIONS = 4096;
/** A peer that vanished without a word is noticed by TCP. */
const TCP_KEEP_ALIVE_MS = 30_000;

export function createNodeServer(options: NodeServerOptions): NodeServer {
  return new HttpsNodeServer(options);
}

class HttpsNodeServer implements NodeServer {
  readonly #options: NodeServerOptions;
  readonly #stop = new AbortController();
  /** The client CA by which a connection's certificate was checked. */
  readonly #trustedBy = new WeakMap<Socket, string>();
  /** The same while the handshake is under way, by the peer's address and port: TLS makes a socket of its own. */
  readonly #handshakes = new Map<string, string>();
  /** The client CA of new handshakes. */
  #bundleInForce = '';
  #server: Server | undefined;
  #serving: ServingCertificate | undefined;
  #clientCA: ClientCA | undefined;
  #reloading: Promise<void> = Promise.resolve();
  #port = 0;

  constructor(options: NodeServerOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  async listen(signal: AbortSignal): Promise<void> {
    const { config, logger } = this.#options;
    this.#serving = await this.#loadServing();
    await this.#reloadClientCA();
    const server = createServer(
      {
        ...this.#secureContext(),
        requestCert: true,
        // Whoever has no certificate may have a token; what a certificate is worth is decided with each request.
        rejectUnauthorized: false,
        handshakeTimeout: HANDSHAKE_MS,
        keepAlive: true,
        keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
        noDelay: true,
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: HEADERS_MS,
        requestTimeout: REQUEST_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: HEADERS_MS,
      },
      this.#app(),
    );
    server.maxConnections = MAX_CONNECTIONS;
    this.#rememberTrust(server);
    server.on('tlsClientError', (error) => logger.debug('TLS handshake failed', { error: error.message }));
    this.#server = server;
    await this.#bind(server);
    logger.info('serving the node API', { address: config.address, port: this.#port });
    const stop = AbortSignal.any([signal, this.#stop.signal]);
    stop.addEventListener('abort', () => void this.#close(), { once: true });
    this.#reloading = this.#reload(stop);
    if (stop.aborted) await this.#close();
  }

  #rememberTrust(server: Server): void {
    const peerOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress ?? ''} ${remotePort ?? ''}`;
    server.on('connection', (socket: Socket) => {
      const peer = peerOf(socket);
      this.#handshakes.set(peer, this.#bundleInForce);
      socket.once('close', () => this.#handshakes.delete(peer));
    });
    server.on('secureConnection', (socket) => {
      this.#trustedBy.set(socket, this.#handshakes.get(peerOf(socket)) ?? '');
    });
  }

  async #bind(server: Server): Promise<void> {
    const { address, port } = this.#options.config;
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    server.once('error', reject);
    server.listen({ host: address, port }, () => resolve(undefined));
    await promise;
    server.off('error', reject);
    server.on('error', (error) => this.#options.logger.error('the node API failed', { error: error.message }));
    this.#port = (server.address() as AddressInfo).port;
  }

  #app(): express.Express {
    const { config, client, pods, metrics, endpoints, node, checks = [], logger } = this.#options;
    const app = express();
    app.disable('x-powered-by').disable('etag').enable('case sensitive routing').set('query parser', false);
    const trusts = (socket: Socket) =>
      this.#bundleInForce !== '' && this.#trustedBy.get(socket) === this.#bundleInForce;
    app.use(requestMetrics(metrics));
    app.use(createAuthFilter({ client, nodeName: node.name, trusts, logger }));
    app.use(healthzRoutes(checks, logger));
    app.use(podsRoutes(() => pods.pods()));
    app.use(statsRoutes(endpoints, logger));
    app.use(metricsRoutes(endpoints));
    const stallMs = parseDuration(config.streamingConnectionIdleTimeout);
    app.use(containerLogsRoutes({ pods, stallMs, logger }));
    app.use(notFound);
    const onError: express.ErrorRequestHandler = (error: unknown, request, response, _next) => {
      if (error instanceof URIError) {
        sendText(response, 400, 'Bad Request');
        return;
      }
      logger.error('a request failed', { method: request.method, path: request.path, error: messageOf(error) });
      if (response.headersSent) response.destroy();
      else sendText(response, 500, 'Internal Server Error');
    };
    app.use(onError);
    return app;
  }

  /** What new handshakes go by, from now on. */
  #secureContext() {
    const ca = this.#clientCA?.bundle ?? '';
    this.#bundleInForce = ca;
    return {
      cert: this.#serving?.cert,
      key: this.#serving?.key,
      // Without any, Node would believe the public authorities: the node's own certificate signs no client.
      ca: ca === '' ? this.#serving?.cert : ca,
      minVersion: 'TLSv1.2' as const,
      // A resumed session would carry the trust of the client CA that was in force when it began.
      secureOptions: constants.SSL_OP_NO_TICKET,
    };
  }

  async #loadServing(): Promise<ServingCertificate> {
    const { config, node, logger } = this.#options;
    return await servingCertificate(config, { nodeName: node.name, addresses: node.addresses }, logger);
  }

  /** Loads the client CA. Where it cannot be had now, what was known stays; from nothing, tokens alone let in. */
  async #reloadClientCA(): Promise<boolean> {
    const { client, config, clusterCA, logger } = this.#options;
    try {
      const loaded = await loadClientCA({ client, clientCAFile: config.clientCAFile, clusterCA });
      if (loaded.bundle === this.#clientCA?.bundle) return false;
      this.#clientCA = loaded;
      logger.info('client certificates are checked', { by: loaded.source });
      return true;
    } catch (error) {
      logger.warn('the client CA could not be read', { error: messageOf(error) });
      return false;
    }
  }

  async #reload(signal: AbortSignal): Promise<void> {
    const { config, reloadMs = RELOAD_MS, logger } = this.#options;
    const everyRound = () => config.clientCAFile !== '' || this.#clientCA === undefined;
    const pause = () => (this.#clientCA ? reloadMs : Math.min(reloadMs, RETRY_MS));
    for (let round = 1; await sleep(pause(), signal); round++) {
      const checkCA = everyRound() || round % CLIENT_CA_RELOADS === 0;
      let changed = checkCA && (await this.#reloadClientCA());
      try {
        const serving = await this.#loadServing();
        changed ||= serving.cert !== this.#serving?.cert || serving.key !== this.#serving.key;
        this.#serving = serving;
        if (changed) this.#server?.setSecureContext(this.#secureContext());
      } catch (error) {
        logger.warn('the serving certificate could not be renewed', { error: messageOf(error) });
      }
      if (changed) this.#server?.closeIdleConnections();
    }
  }

  async #close(): Promise<void> {
    const server = this.#server;
    if (!server?.listening) return;
    const closed = Promise.withResolvers<undefined>();
    server.close(() => closed.resolve(undefined));
    // Follows last as long as their containers: an agent that stops does not wait for them.
    server.closeAllConnections();
    await closed.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#close();
    await this.#reloading;
  }
}

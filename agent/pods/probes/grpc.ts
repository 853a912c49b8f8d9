import type { ServiceError } from '@grpc/grpc-js';
import { messageOf } from '../../../base/errors.ts';
import { goDuration } from '../backoff.ts';
import { GRPC_CODES, grpcStatusText, joinHostPort } from '../go-words.ts';
import { KUBERNETES_MINOR } from '../http-get.ts';
import { decodeHealthResponse, encodeHealthRequest } from './health-messages.ts';
import { failure, success, type ProbeOutcome } from './outcome.ts';

const CHECK = '/grpc.health.v1.Health/Check';

/** The kubelet's prober stays on the node: no proxy, and a connection of its own for each try. */
const OPTIONS = {
  'grpc.primary_user_agent': `kube-probe/${KUBERNETES_MINOR}`,
  'grpc.enable_http_proxy': 0,
  'grpc.use_local_subchannel_pool': 1,
};

export interface GrpcTarget {
  readonly host: string;
  readonly port: number;
  readonly service: string;
  readonly timeoutSeconds: number;
}

/** Probes by grpc.health.v1 (pkg/probe/grpc). Loads gRPC at the first call: most nodes have no such probe. */
export async function checkGrpc(target: GrpcTarget, signal: AbortSignal): Promise<ProbeOutcome> {
  const { Client, credentials } = await import('./grpc-library.ts');
  const address = joinHostPort(target.host, target.port);
  const timeout = goDuration(target.timeoutSeconds * 1000);
  const deadline = Date.now() + target.timeoutSeconds * 1000;
  const client = new Client(address, credentials.createInsecure(), OPTIONS);
  const close = (): void => client.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    const lost = await new Promise<Error | undefined>((resolve) => client.waitForReady(deadline, resolve));
    if (lost) {
      const why = 'context deadline exceeded';
      return failure(`timeout: failed to connect service ${JSON.stringify(address)} within ${timeout}: ${why}`);
    }
    const { error, status } = await new Promise<{ error: ServiceError | null; status?: string }>((resolve) => {
      client.makeUnaryRequest(
        CHECK,
        encodeHealthRequest,
        decodeHealthResponse,
        target.service,
        { deadline },
        (error, status) => resolve({ error, ...(status === undefined ? {} : { status }) }),
      );
    });
    if (error) return failure(explain(error, timeout));
    return status === 'SERVING'
      ? success('service healthy')
      : failure(`service unhealthy (responded with ${JSON.stringify(status)})`);
  } finally {
    signal.removeEventListener('abort', close);
    client.close();
  }
}

function explain(error: ServiceError, timeout: string): string {
  const code = GRPC_CODES[error.code];
  const message = error.details === '' ? messageOf(error) : error.details;
  if (code === 'DeadlineExceeded') return `timeout: health rpc did not complete within ${timeout}`;
  if (code === 'Unimplemented') {
    return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${message}`;
  }
  return `error: health rpc probe failed: ${grpcStatusText(code, message)}`;
}

import type { RuntimeService } from '../../../runtime/service.ts';
import type { Container } from '../../kube/types.ts';
import { expand, mappingFor } from '../expansion.ts';
import { resolvePort } from '../http-get.ts';
import { checkExec } from './exec.ts';
import { checkGrpc } from './grpc.ts';
import { checkHttp } from './http.ts';
import type { ProbeOutcome } from './outcome.ts';
import { checkTcp } from './tcp.ts';

export type Probe = NonNullable<Container['livenessProbe']>;

export interface CheckTarget {
  readonly container: Container;
  readonly containerId: string;
  /** The pod's address, where the probe names none. */
  readonly host: string;
  readonly runtime: RuntimeService;
  readonly signal: AbortSignal;
}

/** prober.go: maxProbeRetries. */
const TRIES = 3;

/**
 * Probes once; what cannot be tried is tried again at once (prober.go, runProbeWithRetries).
 * @throws Error when there is no outcome: the probe could not be made
 */
export async function check(probe: Probe, target: CheckTarget): Promise<ProbeOutcome> {
  for (let tried = 1; ; tried++) {
    try {
      return await checkOnce(probe, target);
    } catch (error) {
      if (tried === TRIES || target.signal.aborted) throw error;
    }
  }
}

async function checkOnce(probe: Probe, target: CheckTarget): Promise<ProbeOutcome> {
  const { container, containerId, host, runtime } = target;
  const timeoutSeconds = probe.timeoutSeconds ?? 1;
  if (probe.exec) {
    const command = expandStatic(probe.exec.command ?? [], container);
    // Its own time begins with the command: a runtime that is busy with starting it does not fail the container.
    return await checkExec(runtime, { containerId, command, timeoutSeconds, signal: target.signal });
  }
  const signal = AbortSignal.any([target.signal, AbortSignal.timeout(timeoutSeconds * 1000)]);
  if (probe.httpGet) return await checkHttp(probe.httpGet, { container, host, purpose: 'probe' }, signal);
  if (probe.tcpSocket) {
    const named = probe.tcpSocket.host;
    const address = named === undefined || named === '' ? host : named;
    return await checkTcp(address, resolvePort(probe.tcpSocket.port, container), signal);
  }
  if (probe.grpc) {
    const { port, service = '' } = probe.grpc;
    return await checkGrpc({ host, port, service, timeoutSeconds }, target.signal);
  }
  throw new Error(`missing probe handler for ${container.name}`);
}

/** Only variables with a value in the spec itself are known here (ExpandContainerCommandOnlyStatic). */
function expandStatic(command: readonly string[], { env = [] }: Container): string[] {
  const mapping = mappingFor(new Map(env.map(({ name, value }) => [name, value ?? ''])));
  return command.map((argument) => expand(argument, mapping));
}

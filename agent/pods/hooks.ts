import { messageOf } from '../../base/errors.ts';
import type { RuntimeService } from '../../runtime/service.ts';
import { sleep } from '../kube/backoff.ts';
import type { Container, Pod } from '../kube/types.ts';
import type { EventRecorder } from './context.ts';
import { httpError, isPlainServer } from './go-words.ts';
import { httpGetRequest, type HttpGet } from './http-get.ts';
import { getFollowing } from './redirects.ts';
import { CommandFailed, runInContainer } from './run-in-container.ts';
import { describePod, identityOf, podReference } from './spec.ts';

export type LifecycleHandler = NonNullable<NonNullable<Container['lifecycle']>['postStart']>;

export interface HookTarget {
  readonly pod: Pod;
  readonly container: Container;
  readonly containerId: string;
  /** The pod's address, where the hook names none. */
  readonly host: string;
  readonly runtime: RuntimeService;
  readonly recorder: EventRecorder;
  readonly signal: AbortSignal;
}

/**
 * Runs a postStart or preStop hook to its end (pkg/kubelet/lifecycle/handlers.go). The status of an HTTP answer does
 * not matter.
 * @throws Error in the kubelet's words when it failed, or the signal ended it
 */
export async function runHook(handler: LifecycleHandler, target: HookTarget): Promise<void> {
  const { exec, httpGet, sleep: pause } = handler;
  if (exec) {
    const command = exec.command ?? [];
    await failAs(`Exec lifecycle hook ([${command.join(' ')}])`, target, () => runExec(command, target));
  } else if (httpGet) {
    await failAs(`HTTP lifecycle hook (${httpGet.path ?? ''})`, target, () => runHttpGet(httpGet, target));
  } else if (pause) {
    await failAs(`Sleep lifecycle hook (${pause.seconds})`, target, async () => {
      if (await sleep(pause.seconds * 1000, target.signal)) return;
      throw new Error('container terminated before sleep hook finished');
    });
  } else {
    throw new Error(`Cannot run handler: invalid handler: ${JSON.stringify(handler)}`);
  }
}

async function failAs(what: string, { pod, container }: HookTarget, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    const where = `for Container ${JSON.stringify(container.name)} in Pod "${describePod(identityOf(pod))}"`;
    throw new Error(`${what} ${where} failed - error: ${messageOf(error)}`, { cause: error });
  }
}

/** A hook has no time of its own: it ends with its container at the latest. */
async function runExec(command: readonly string[], { runtime, containerId, signal }: HookTarget): Promise<void> {
  try {
    await runInContainer(runtime, { containerId, command, timeoutSeconds: 0, signal });
  } catch (error) {
    const output = error instanceof CommandFailed ? error.output.toString() : '';
    throw new Error(`${messageOf(error)}, message: ${JSON.stringify(output)}`, { cause: error });
  }
}

async function runHttpGet(action: HttpGet, target: HookTarget): Promise<void> {
  const { pod, container, host, recorder, signal } = target;
  const request = httpGetRequest(action, { container, host, purpose: 'lifecycle' });
  const get = async (url: URL, headers: typeof request.headers): Promise<void> => {
    const answer = await getFollowing({ url, headers }, signal, () => true);
    await answer.body.dump({ limit: MAX_BODY_BYTES, signal });
  };
  try {
    await get(request.url, request.headers);
  } catch (error) {
    const why = `Get ${JSON.stringify(request.url.href)}: ${httpError(error, request.url.host)}`;
    if (!isPlainServer(error)) throw new Error(why, { cause: error });
    // Hooks were once sent in plain HTTP whatever their scheme, and servers rely on it.
    const { authorization: _secret, ...headers } = request.headers;
    const plain = new URL(request.url);
    plain.protocol = 'http:';
    await get(plain, headers).catch(() => {
      throw new Error(why, { cause: error });
    });
    const message = `request to HTTPS lifecycle hook ${request.url.host} got HTTP response, retry with HTTP succeeded`;
    recorder.record(podReference(pod), 'Warning', 'LifecycleHTTPFallback', message);
  }
}

/** handlers.go: maxRespBodyLength. */
const MAX_BODY_BYTES = 10 * 1024;

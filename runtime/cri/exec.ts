import type { CriContext } from './context.ts';
import { UnimplementedError } from './errors.ts';
import { containerId } from './ids.ts';
import type { ExecSyncRequest, ExecSyncResponse } from './messages.ts';

/** CRI's methods that run commands in containers or connect to them. */
export const execMethods = (context: CriContext) => ({
  async execSync(request: ExecSyncRequest, signal: AbortSignal): Promise<ExecSyncResponse> {
    const id = await containerId(context, request.containerId);
    return await context.runtime.execSync(id, request.cmd, Math.max(0, request.timeout), signal);
  },

  exec: () => notYet('exec with streams', 'commands without input run through ExecSync (crictl exec --sync)'),
  attach: () => notYet('attach', 'what a container writes stands in its log'),
  portForward: () => notYet('port-forward', "pods share the node's network: connect to the node"),
});

function notYet(what: string, instead: string): Promise<never> {
  return Promise.reject(new UnimplementedError(`wasmlet does not serve ${what} over CRI; ${instead}`));
}

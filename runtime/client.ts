import type { Logger } from '../base/log.ts';
import type { RuntimeService } from './service.ts';

export interface RuntimeHandlerConfig {
  readonly engine: 'v8' | 'interpreter';
  readonly isolation: 'process' | 'shared';
}

export interface ConnectRuntimeOptions {
  /** The runtime's state folder: `<root>` of the agent's config. */
  readonly root: string;
  /** Path of the supervisor's Unix socket. */
  readonly socket: string;
  /** Start a supervisor (detached, so that it outlives the agent) when none answers on the socket. */
  readonly spawn: boolean;
  /** Given to a supervisor that is started; runtime class handler names to how they run. */
  readonly handlers: Readonly<Record<string, RuntimeHandlerConfig>>;
  /** Which of them runs pods without a runtime class. */
  readonly defaultHandler: string;
  readonly logger: Logger;
}

/** Connects to the supervisor; connects again (and starts it again) whenever it was lost. */
export function connectRuntime(_options: ConnectRuntimeOptions): Promise<RuntimeService> {
  return Promise.reject(new Error('written by the runtime room'));
}

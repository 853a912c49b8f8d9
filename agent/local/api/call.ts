import type { Registry } from '../registry/registry.ts';
import type { Resource } from '../resources/resource.ts';
import type { Exchange } from './exchange.ts';
import type { RequestInfo } from './request-info.ts';

/** What a request for objects comes down to, beside its verb. */
export interface Call {
  readonly registry: Registry;
  readonly resource: Resource;
  readonly info: RequestInfo;
  readonly exchange: Exchange;
  /** Ends watches. */
  readonly signal: AbortSignal;
}

/** Does what a verb says, and answers. @throws StatusError */
export type Handler = (call: Call) => void | Promise<void>;

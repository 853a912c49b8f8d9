import { Metadata } from '@grpc/grpc-js';
import type { handleServerStreamingCall, handleUnaryCall } from '@grpc/grpc-js';
import type { Logger } from '../../base/log.ts';
import { grpcStatus } from './errors.ts';

/** A method that answers once. The signal ends with the call: the client gave up, or the server ends. */
export type Unary<Request, Response> = (request: Request, signal: AbortSignal) => Promise<Response>;

/** A method that answers with a stream of messages. */
export type Streaming<Request, Response> = (request: Request, signal: AbortSignal) => AsyncIterable<Response>;

export interface CallContext {
  /** Ends every call. */
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** What a method looks like to grpc-js. */
export function unary<Request, Response>(
  name: string,
  method: Unary<Request, Response>,
  { signal, logger }: CallContext,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const ended = new AbortController();
    call.on('cancelled', () => ended.abort());
    method(call.request, AbortSignal.any([signal, ended.signal])).then(
      (response) => callback(null, response),
      (error: unknown) => {
        const answer = grpcStatus(error);
        logger.debug('A call failed', { method: name, ...answer });
        callback({ ...answer, metadata: new Metadata() });
      },
    );
  };
}

/** What a streaming method looks like to grpc-js. A client that reads slowly is waited for. */
export function streaming<Request, Response>(
  name: string,
  method: Streaming<Request, Response>,
  { signal, logger }: CallContext,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const ended = new AbortController();
    call.on('cancelled', () => ended.abort());
    const either = AbortSignal.any([signal, ended.signal]);
    const send = async () => {
      for await (const message of method(call.request, either)) {
        if (either.aborted) break;
        if (!call.write(message)) await drained(call, either);
      }
    };
    send().then(
      () => call.end(),
      (error: unknown) => {
        const answer = grpcStatus(error);
        logger.debug('A stream failed', { method: name, ...answer });
        // With this name grpc-js sends the status; with end() it would be OK.
        call.emit('error', answer);
      },
    );
  };
}

function drained(stream: NodeJS.EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    stream.on('drain', done);
    signal.addEventListener('abort', done);
  });
}

import type { IncomingMessage } from 'node:http';
import { badRequest, StatusError } from './errors.ts';

/** What is read of a refusal, in bytes (apiserver pkg/registry/generic/rest, maxReadLength). */
const MAX_BYTES = 50_000;

/** Reason and words for each code whose answer is not told on (apimachinery pkg/api/errors, NewGenericServerResponse). */
const GENERIC: Readonly<Record<number, readonly [reason: string, message: string]>> = {
  401: ['Unauthorized', 'the server has asked for the client to provide credentials'],
  404: ['NotFound', 'the server could not find the requested resource'],
  405: ['MethodNotAllowed', 'the server does not allow this method on the requested resource'],
  409: ['Conflict', 'the server reported a conflict'],
  429: ['TooManyRequests', 'the server has received too many requests and has asked us to try again later'],
  503: ['ServiceUnavailable', 'the server is currently unable to handle the request'],
  504: [
    'Timeout',
    'the server was unable to return a response in the time allotted, but may still be processing the request',
  ],
};

export const isRefusal = (code: number): boolean => code < 200 || code > 206;

/**
 * What a client is told where a node refuses a log: the node answers with plain text, which kubectl does not show.
 * @param pod its name
 */
export async function logRefusal(answer: IncomingMessage, pod: string): Promise<StatusError> {
  const code = answer.statusCode ?? 502;
  const text = await beginningOf(answer);
  if (code === 400) return badRequest(text);
  if (code === 500) {
    return new StatusError(500, 'InternalError', `Internal error occurred: ${text}`, { causes: [{ message: text }] });
  }
  const [reason, message] = GENERIC[code] ?? otherwise(code, text);
  return new StatusError(code, reason, `${message} ( pods/log ${pod})`, { name: pod, kind: 'pods/log' });
}

function otherwise(code: number, text: string): readonly [reason: string, message: string] {
  if (code === 403) return ['Forbidden', text];
  return code > 500
    ? ['InternalError', `an error on the server (${JSON.stringify(text)}) has prevented the request from succeeding`]
    : ['', `the server responded with the status code ${code} but did not return more information`];
}

async function beginningOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= MAX_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MAX_BYTES).toString();
}

import { httpError } from '../go-words.ts';
import { httpGetRequest, type HttpGet, type HttpGetTarget } from '../http-get.ts';
import { getFollowing } from '../redirects.ts';
import { failure, MAX_OUTPUT_BYTES, success, type ProbeOutcome } from './outcome.ts';

/**
 * Probes by an HTTP answer (pkg/probe/http). Redirects to the same host are followed; one that leads elsewhere counts
 * as a success, with a warning.
 * @throws Error when the action names no port that there is
 */
export async function checkHttp(action: HttpGet, target: HttpGetTarget, signal: AbortSignal): Promise<ProbeOutcome> {
  const request = httpGetRequest(action, target);
  const { hostname, host, href } = request.url;
  let shown = href;
  try {
    const answer = await getFollowing(request, signal, (to) => {
      if (to.hostname !== hostname) return false;
      shown = to.href;
      return true;
    });
    return judge(answer.statusCode, await start(answer.body));
  } catch (error) {
    const why = signal.aborted
      ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
      : httpError(error, host);
    return failure(`Get ${JSON.stringify(shown)}: ${why}`);
  }
}

function judge(statusCode: number, body: string): ProbeOutcome {
  if (statusCode < 200 || statusCode >= 400) return failure(`HTTP probe failed with statuscode: ${statusCode}`);
  if (statusCode < 300) return success(body);
  return { result: 'warning', output: `Probe terminated redirects, Response body: ${body}` };
}

/** The start of a body; the rest is not read. */
async function start(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of body) {
    parts.push(part);
    length += part.length;
    if (length >= MAX_OUTPUT_BYTES) break;
  }
  return Buffer.concat(parts).toString('utf8', 0, MAX_OUTPUT_BYTES);
}

import type { Dispatcher } from 'undici';
import { sendHttpGet, type HttpGetRequest } from './http-get.ts';

/** net/http, defaultCheckRedirect. */
const MAX_REDIRECTS = 10;

/** What http.Client follows. */
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * Sends a request and follows where it is redirected to.
 * @param mayFollow whether a redirect is followed; else it is the answer
 * @throws Error after too many
 */
export async function getFollowing(
  first: HttpGetRequest,
  signal: AbortSignal,
  mayFollow: (to: URL) => boolean,
): Promise<Dispatcher.ResponseData> {
  let request = first;
  for (let redirects = 0; ; redirects++) {
    const answer = await sendHttpGet(request, signal);
    const to = redirectOf(answer, request.url);
    if (!to || !mayFollow(to)) return answer;
    await answer.body.dump();
    if (redirects === MAX_REDIRECTS - 1) throw new Error(`stopped after ${MAX_REDIRECTS} redirects`);
    request = { url: to, headers: to.host === request.url.host ? request.headers : publicHeaders(request.headers) };
  }
}

/** What another server may see (net/http: shouldCopyHeaderOnRedirect). */
function publicHeaders(headers: HttpGetRequest['headers']): HttpGetRequest['headers'] {
  const ofFirst = ['authorization', 'cookie', 'cookie2', 'www-authenticate', 'host'];
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !ofFirst.includes(name)));
}

function redirectOf({ statusCode, headers }: Dispatcher.ResponseData, from: URL): URL | undefined {
  if (!REDIRECTS.includes(statusCode)) return undefined;
  const location = [headers.location].flat()[0];
  return location === undefined ? undefined : (URL.parse(location, from) ?? undefined);
}

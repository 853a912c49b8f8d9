import type { Request } from 'express';

/** The query of a request, decoded as Go does: '+' is a space, the first value of a name counts. */
export function queryOf(request: Request): URLSearchParams {
  const start = request.originalUrl.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : request.originalUrl.slice(start + 1));
}

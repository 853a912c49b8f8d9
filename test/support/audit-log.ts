import { readFile } from 'node:fs/promises';

interface AuditEvent {
  readonly stage: string;
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string; readonly namespace?: string };
  readonly responseStatus?: { readonly code?: number };
}

const FORBIDDEN = 403;

/**
 * What a node asked of the API server about one namespace, from the API server's audit log.
 * @param auditLog path of the log: one JSON event a line
 * @returns how often, by 'VERB RESOURCE/SUBRESOURCE'
 */
export async function nodeRequests(
  auditLog: string,
  nodeName: string,
  namespace: string,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const line of (await readFile(auditLog, 'utf8')).split('\n')) {
    // The line that is being written now may be cut.
    if (!line.includes(namespace) || !line.endsWith('}')) continue;
    const { stage, verb, user, objectRef } = JSON.parse(line) as AuditEvent;
    const isOurs = user.username === `system:node:${nodeName}` && objectRef?.namespace === namespace;
    // A watch is counted when it begins: it ends when nobody looks any more.
    if (stage !== (verb === 'watch' ? 'ResponseStarted' : 'ResponseComplete') || !isOurs) continue;
    const { resource = '', subresource } = objectRef;
    const request = `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}`;
    counts.set(request, (counts.get(request) ?? 0) + 1);
  }
  return counts;
}

/** What a user asked of the API server, as 'VERB RESOURCE/SUBRESOURCE'. */
export interface UserRequests {
  readonly allowed: ReadonlySet<string>;
  /** Those that were answered with 403. */
  readonly refused: ReadonlySet<string>;
}

/** All that a user asked of the API server, beside discovery. */
export async function requestsOf(auditLog: string, username: string): Promise<UserRequests> {
  const allowed = new Set<string>();
  const refused = new Set<string>();
  for (const line of (await readFile(auditLog, 'utf8')).split('\n')) {
    if (!line.includes(username) || !line.endsWith('}')) continue;
    const { verb, user, objectRef, responseStatus } = JSON.parse(line) as AuditEvent;
    if (user.username !== username || objectRef?.resource === undefined) continue;
    const { resource, subresource } = objectRef;
    const request = `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}`;
    (responseStatus?.code === FORBIDDEN ? refused : allowed).add(request);
  }
  return { allowed, refused };
}

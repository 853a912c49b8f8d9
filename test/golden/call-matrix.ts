/**
 * Who may call what on a node's port: every route and method, asked for by users without any right, and what the node
 * then asks of the API server (SubjectAccessReviews) and answers.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import pLimit from 'p-limit';
import { WasmletError } from '../../base/errors.ts';
import type { ClusterFacts } from '../cluster/access.ts';
import type { Authority, KeyPair } from '../cluster/certificates.ts';
import { loadAuthority } from '../cluster/certificates.ts';

/** What a node makes of a call. */
export interface Verdict {
  readonly status: number;
  /** The answer's body, with USER for the user's name. */
  readonly says: string;
  /** 'VERB RESOURCE/SUBRESOURCE' of each review, in their order. */
  readonly reviews: readonly string[];
}

/** By 'METHOD PATH' for users without any right, and by 'GET PATH, anonymous' for who says nothing of himself. */
export type CallMatrix = Readonly<Record<string, Verdict>>;

export interface NodePort {
  readonly nodeName: string;
  readonly port: number;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/** The routes of pkg/kubelet/server/server.go, their neighbours, and spellings that could be taken for them. */
const PATHS = [
  '/healthz',
  '/healthz/',
  '/healthz/ping',
  '/healthz/log',
  '/healthz/syncloop',
  '/healthzz',
  '/pods',
  '/pods/',
  '/podsx',
  '/runningpods',
  '/runningpods/',
  '/stats',
  '/stats/',
  '/stats/summary',
  '/metrics',
  '/metrics/cadvisor',
  '/metrics/resource',
  '/metrics/probes',
  '/metrics/slis',
  '/metricsx',
  '/logs',
  '/logs/',
  '/logs/kubelet.log',
  '/containerLogs/ns/pod/container',
  '/exec/ns/pod/container',
  '/exec/ns/pod/uid/container',
  '/attach/ns/pod/container',
  '/attach/ns/pod/uid/container',
  '/portForward/ns/pod',
  '/portForward/ns/pod/uid',
  '/run/ns/pod/container',
  '/run/ns/pod/uid/container',
  '/checkpoint/ns/pod/container',
  '/configz',
  '/statusz',
  '/flagz',
  '/debug/flags/v',
  '/debug/pprof/',
  '/debug/pprof/profile',
  '/debug/pprof/symbol',
  '/cri/exec/token',
  '/',
  '/unknown',
  '/PODS',
  '/%70ods',
  '/%65xec/ns/pod/container',
  '//exec/ns/pod/container',
  '/pods/../exec/ns/pod/container',
  '/pods/%2e%2e/exec/ns/pod/container',
  '/exec',
  '/execx/ns/pod/container',
];

/** Every call of a user, as 'METHOD PATH'. */
const CALLS = PATHS.flatMap((path) => METHODS.map((method) => `${method} ${path}`));
const ANONYMOUS_CALLS = PATHS.map((path) => `GET ${path}`);

const PARALLEL = 8;
const REQUEST_MS = 30_000;
const AUDIT_MS = 30_000;
const POLL_MS = 50;

/**
 * Makes every call, each as a user of its own, so that no answer of the API server is remembered from another.
 * @param facts of a cluster of ours: with the authority's key and an audit log
 */
export async function askAll(node: NodePort, facts: ClusterFacts): Promise<CallMatrix> {
  const { caFile, caKeyFile, auditLog } = facts;
  if (caKeyFile === undefined || auditLog === undefined) {
    throw new WasmletError('FailedPrecondition', 'the call matrix needs a cluster of our own');
  }
  const [certificate, key] = await Promise.all([readFile(caFile, 'utf8'), readFile(caKeyFile, 'utf8')]);
  const authority = await loadAuthority({ certificate, key });
  const run = randomBytes(4).toString('hex');
  const limit = pLimit(PARALLEL);
  const answers = await Promise.all(
    CALLS.map((call, index) => limit(() => askAs(`${run}-${index}`, call, node, authority))),
  );
  const anonymous = await Promise.all(
    ANONYMOUS_CALLS.map((call) => limit(async () => ({ call, ...(await ask(call, node)) }))),
  );
  const reviews = await untilAudited(auditLog, node.nodeName, answers);
  return Object.fromEntries([
    ...answers.map(({ user, call, status, says }) => {
      return [call, { status, says: says.replaceAll(user, 'USER'), reviews: reviews.get(user) ?? [] }] as const;
    }),
    ...anonymous.map(({ call, status, says }) => [`${call}, anonymous`, { status, says, reviews: [] }] as const),
  ]);
}

interface Answer {
  readonly user: string;
  readonly call: string;
  readonly status: number;
  readonly says: string;
}

async function askAs(user: string, call: string, node: NodePort, authority: Authority): Promise<Answer> {
  return { user, call, ...(await ask(call, node, await authority.client(user))) };
}

/** One call, its path sent as it is written; anonymous without credentials. */
async function ask(call: string, { port }: NodePort, credentials?: KeyPair): Promise<{ status: number; says: string }> {
  const [method = '', path = ''] = call.split(' ');
  return await new Promise((resolve, reject) => {
    request(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        agent: false,
        ...(credentials ? { cert: credentials.certificate, key: credentials.key } : {}),
        // A kubelet's serving certificate is signed by itself, and who answers is no question here.
        rejectUnauthorized: false,
        signal: AbortSignal.timeout(REQUEST_MS),
      },
      (response) => {
        text(response).then((says) => resolve({ status: response.statusCode ?? 0, says }), reject);
      },
    )
      .on('error', reject)
      .end();
  });
}

interface AuditEvent {
  readonly user: { readonly username: string };
  readonly requestReceivedTimestamp: string;
  readonly requestObject?: {
    readonly spec: {
      readonly user?: string;
      readonly resourceAttributes?: {
        readonly verb?: string;
        readonly resource?: string;
        readonly subresource?: string;
        readonly name?: string;
      };
    };
  };
}

/**
 * The reviews that a node asked for, by their user. The audit log is written a little after the answer: it is complete
 * when every call that was forbidden is there with as many reviews as its answer names subresources.
 */
async function untilAudited(
  auditLog: string,
  nodeName: string,
  answers: readonly Answer[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const deadline = performance.now() + AUDIT_MS;
  for (;;) {
    const reviews = await reviewsOf(auditLog, nodeName);
    const missing = answers.filter(({ user, says }) => (reviews.get(user)?.length ?? 0) < subresourcesIn(says));
    if (missing.length === 0) return reviews;
    if (performance.now() > deadline) {
      const calls = missing.map(({ call, says }) => `${call}: ${says.trim()}`).join('\n');
      throw new WasmletError('DeadlineExceeded', `reviews that are not in the audit log:\n${calls}`);
    }
    await delay(POLL_MS);
  }
}

/** 'Forbidden (user=…, subresource(s)=[pods proxy])' names two. */
function subresourcesIn(says: string): number {
  const list = /subresource\(s\)=\[(.*)\]/.exec(says)?.[1];
  return list === undefined ? 0 : list.split(' ').length;
}

async function reviewsOf(auditLog: string, nodeName: string): Promise<Map<string, string[]>> {
  const events = (await readFile(auditLog, 'utf8'))
    .split('\n')
    // The line that is being written now may be cut.
    .filter((line) => line.includes('"subjectaccessreviews"') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as AuditEvent)
    .filter(({ user }) => user.username === `system:node:${nodeName}`)
    .toSorted((a, b) => a.requestReceivedTimestamp.localeCompare(b.requestReceivedTimestamp));
  const reviews = new Map<string, string[]>();
  for (const { requestObject } of events) {
    const { user = '', resourceAttributes } = requestObject?.spec ?? {};
    const { verb = '', resource = '', subresource = '', name = '' } = resourceAttributes ?? {};
    const about = name === nodeName ? '' : ` of ${name}`;
    reviews.set(user, [...(reviews.get(user) ?? []), `${verb} ${resource}/${subresource}${about}`]);
  }
  return reviews;
}

/** The matrix as a file: a line for each call. */
export function formatMatrix(matrix: CallMatrix): string {
  const lines = Object.entries(matrix).map(
    ([call, verdict]) => `  ${JSON.stringify(call)}: ${JSON.stringify(verdict)}`,
  );
  return `{\n${lines.join(',\n')}\n}\n`;
}

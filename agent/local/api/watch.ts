import type { Registry } from '../registry/registry.ts';
import { apiVersionOf, type Resource } from '../resources/resource.ts';
import type { ApiObject, Change } from '../storage/object.ts';
import { CompactedError } from '../storage/store.ts';
import type { Call } from './call.ts';
import { expired, StatusError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { rangeOfRequest, revisionOf, selectorOf, tooLarge } from './read.ts';
import type { Predicate } from './selectors.ts';
import { answerForm, partialOf, tableOf, type AnswerForm } from './table-format.ts';

/** How long a watch lasts that names no time: the API server's 30 to 60 minutes. */
const DEFAULT_SECONDS = 1800;
const MAX_SECONDS = 24 * 3600;
/** About as often as the API server's watch cache sends one. */
const BOOKMARK_MS = 60_000;
/** A client that does not read for so many bytes is let go: it can come back and watch on. */
const MAX_BUFFERED = 64 * 1024 * 1024;
const INITIAL_END = 'k8s.io/initial-events-end';

/**
 * Streams changes until the client goes, its time is over or the server ends. What happened since the revision asked for
 * comes from the log, and the subscription begins in the same turn: nothing is missed, nothing comes twice.
 * @throws StatusError Expired when the log does not reach back so far, before anything is sent
 */
export function watch({ registry, resource, info, exchange, signal }: Call): void {
  const { query } = exchange;
  const selected = selectorOf(resource, info, query);
  const range = rangeOfRequest(resource, info, query);
  const stream = new WatchStream(resource, exchange, selected, info.namespace);
  const revision = revisionOf(query);
  const current = registry.store.revision;
  if (revision > current) throw tooLarge(revision, current);
  const sendsInitial = query.get('sendInitialEvents') === 'true';
  // Without a version, and with 0, a watch begins with what there is.
  const initial = revision === 0 || sendsInitial;
  const missed = initial ? [] : changesSince(registry, resource, revision);
  stream.begin();
  stream.together(() => {
    if (initial) stream.initial(registry.store.list(resource.storage, { range, selected }).objects);
    if (sendsInitial) stream.bookmark(current, { [INITIAL_END]: 'true' });
    for (const change of missed) stream.change(change);
  });
  const unsubscribe = registry.store.subscribe((change) => stream.change(change));
  stream.endWith(signal, unsubscribe, () => registry.store.revision);
}

function changesSince(registry: Registry, resource: Resource, revision: number): Change[] {
  try {
    return registry.store.since(resource.storage, revision);
  } catch (error) {
    if (error instanceof CompactedError) throw expired(error.message);
    throw error;
  }
}

class WatchStream {
  readonly #resource: Resource;
  readonly #exchange: Exchange;
  readonly #selected: Predicate;
  readonly #namespace: string;
  readonly #form: AnswerForm;
  readonly #bookmarks: boolean;
  #sentTable = false;

  constructor(resource: Resource, exchange: Exchange, selected: Predicate, namespace: string) {
    this.#resource = resource;
    this.#exchange = exchange;
    this.#selected = selected;
    this.#namespace = namespace;
    this.#form = answerForm(exchange.request.headers.accept);
    this.#bookmarks = exchange.query.get('allowWatchBookmarks') === 'true';
  }

  begin(): void {
    const { response } = this.#exchange;
    response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-cache, private' });
    response.flushHeaders();
  }

  /** Ends with the client, its time, or the signal; whatever comes first ends the subscription and timers too. */
  endWith(signal: AbortSignal, unsubscribe: () => void, revision: () => number): void {
    const { response, query } = this.#exchange;
    const asked = Number(query.get('timeoutSeconds') ?? 0);
    const seconds = asked > 0 ? Math.min(asked, MAX_SECONDS) : DEFAULT_SECONDS;
    const end = () => void response.end();
    const timer = setTimeout(end, seconds * 1000);
    const bookmarks = setInterval(() => this.bookmark(revision()), BOOKMARK_MS);
    signal.addEventListener('abort', end);
    response.once('close', () => {
      clearTimeout(timer);
      clearInterval(bookmarks);
      signal.removeEventListener('abort', end);
      unsubscribe();
    });
    if (signal.aborted) end();
  }

  #isOurs(object: ApiObject): boolean {
    return (this.#namespace === '' || object.metadata.namespace === this.#namespace) && this.#selected(object);
  }

  /** Sends what is written meanwhile in few pieces: thousands of objects would be as many records of TLS. */
  together(write: () => void): void {
    const { response } = this.#exchange;
    response.cork();
    write();
    response.uncork();
  }

  /** @param objects that this watch sees */
  initial(objects: readonly ApiObject[]): void {
    for (const object of objects) this.#send('ADDED', object);
  }

  /** A change as this watch sees it: an object that comes to be selected is added, one that no longer is, deleted. */
  change({ key, type, object, previous }: Change): void {
    if (key.resource !== this.#resource.storage) return;
    const was = previous !== undefined && this.#isOurs(previous);
    const is = type !== 'DELETED' && this.#isOurs(object);
    if (was && is) this.#send('MODIFIED', object);
    else if (is) this.#send('ADDED', object);
    else if (was) this.#send('DELETED', type === 'DELETED' ? object : withVersionOf(previous, object));
  }

  bookmark(revision: number, annotations?: Readonly<Record<string, string>>): void {
    if (!this.#bookmarks) return;
    const metadata = {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(annotations ? { annotations } : {}),
    };
    const object = {
      kind: this.#resource.kind,
      apiVersion: apiVersionOf(this.#resource),
      metadata,
    } as unknown as ApiObject;
    this.#write(
      'BOOKMARK',
      this.#form.as === 'table' ? this.#asTable([], { resourceVersion: String(revision) }) : object,
    );
  }

  #send(type: string, stored: ApiObject): void {
    const object = this.#resource.fromStorage?.(stored) ?? stored;
    const { as, version } = this.#form;
    if (as === 'table')
      this.#write(type, this.#asTable([object], { resourceVersion: object.metadata.resourceVersion }));
    else this.#write(type, as === 'partial' ? partialOf(object, version) : object);
  }

  /** Only the first table of a watch has columns. */
  #asTable(objects: readonly ApiObject[], metadata: object): object {
    const { version } = this.#form;
    const includeObject = this.#exchange.query.get('includeObject') ?? 'Metadata';
    const table = tableOf(this.#resource, objects, { metadata, version, includeObject, headers: !this.#sentTable });
    this.#sentTable ||= objects.length > 0;
    return table;
  }

  #write(type: string, object: object): void {
    const { response } = this.#exchange;
    if (response.writableEnded || response.destroyed) return;
    response.write(`${JSON.stringify({ type, object })}\n`);
    if (response.writableLength <= MAX_BUFFERED) return;
    const slow = new StatusError(500, 'InternalError', 'the watch was not read for too long');
    response.end(`${JSON.stringify({ type: 'ERROR', object: slow.toStatus() })}\n`);
  }
}

const withVersionOf = (object: ApiObject, { metadata }: ApiObject): ApiObject => ({
  ...object,
  metadata: { ...object.metadata, resourceVersion: metadata.resourceVersion ?? '' },
});

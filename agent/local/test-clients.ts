import type { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { SeededRandom } from '../../test/support/random.ts';
import { hasCode } from '../../base/errors.ts';
import { KubeApiError, type KubeClient } from '../kube/client.ts';
import type { KubeObject } from '../kube/types.ts';

/** Clients of an API server that is killed while they work, for kills.test.ts. Each write has a value of its own. */

/** What became of objects, in its order: for each name lines such as 'MODIFIED 17 of revision 230'. */
export type Story = ReadonlyMap<string, readonly string[]>;

/** The last thing that a writer does: a watcher that has seen it has seen all. */
const LAST = 'last';
const NAMES = 6;
const RETRY_MS = 20;

type Type = 'ADDED' | 'MODIFIED' | 'DELETED';

const valueOf = (object: KubeObject): string => object.metadata?.labels?.['value'] ?? '';
const revisionOf = (object: KubeObject | undefined): string => object?.metadata?.resourceVersion ?? 'none';

/** The answer to a deletion does not say of which revision it was. */
const lineOf = (type: Type, object: KubeObject): string =>
  type === 'DELETED' ? `DELETED ${valueOf(object)}` : `${type} ${valueOf(object)} of revision ${revisionOf(object)}`;

class StoryBook {
  readonly #lines = new Map<string, string[]>();

  get story(): Story {
    return this.#lines;
  }

  note(type: Type, object: KubeObject): void {
    const name = object.metadata?.name ?? '';
    const line = lineOf(type, object);
    const lines = this.#lines.get(name);
    if (lines) lines.push(line);
    else this.#lines.set(name, [line]);
  }
}

export interface WriterOptions {
  readonly client: KubeClient;
  /** Of the collection. */
  readonly path: string;
  /** A new object, but for its metadata. */
  readonly template: object;
  readonly labels: Readonly<Record<string, string>>;
  /** Is told 'acknowledged' for each write. */
  readonly told: EventEmitter;
}

/** Creates, changes and deletes objects that nobody else writes, one write after the other. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #book = new StoryBook();
  readonly #state = new Map<string, KubeObject>();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** What it did, as far as the server has acknowledged it or has it after all. */
  get story(): Story {
    return this.#book.story;
  }

  /** What there must be now. */
  get objects(): readonly KubeObject[] {
    return [...this.#state.values()];
  }

  /** @throws Error when what was acknowledged is no longer so; KubeApiError for any refusal */
  async run(ended: AbortSignal): Promise<void> {
    for (let index = 0; !ended.aborted; index++) await this.#write(`o${index % NAMES}`, index);
    while (!this.#state.has(LAST)) await this.#write(LAST, 0);
  }

  async #write(name: string, index: number): Promise<void> {
    const before = this.#state.get(name);
    const value = String(index);
    try {
      if (before && index % 4 === 3) await this.#delete(name, before);
      else if (before) this.#acknowledge('MODIFIED', await this.#change(before, value, index % 2 === 0));
      else this.#acknowledge('ADDED', await this.#create(name, value));
      this.#options.told.emit('acknowledged');
    } catch (error) {
      if (!hasCode(error, 'Unavailable')) throw error;
      this.#learn(name, value, before, await this.#read(name));
    }
  }

  /** Looks what became of a write that the kill has swallowed the answer to. */
  #learn(name: string, value: string, before: KubeObject | undefined, now: KubeObject | undefined): void {
    if (revisionOf(now) === revisionOf(before)) return;
    const wasDeletion = before !== undefined && now === undefined;
    if (wasDeletion && Number(value) % 4 === 3) this.#forget(name, before);
    else if (now && valueOf(now) === value) this.#acknowledge(before ? 'MODIFIED' : 'ADDED', now);
    else {
      const were = before ? lineOf('MODIFIED', before) : 'nothing';
      throw new Error(`${name}: ${were} was acknowledged, and there is ${now ? lineOf('MODIFIED', now) : 'nothing'}`);
    }
  }

  #acknowledge(type: Type, object: KubeObject): void {
    this.#state.set(object.metadata?.name ?? '', object);
    this.#book.note(type, object);
  }

  #forget(name: string, last: KubeObject): void {
    this.#state.delete(name);
    this.#book.note('DELETED', last);
  }

  async #create(name: string, value: string): Promise<KubeObject> {
    const { client, path, template, labels } = this.#options;
    return await client.create<KubeObject>(path, { ...template, metadata: { name, labels: { ...labels, value } } });
  }

  /** By an update, which a lost write before would make a conflict, or by a patch. */
  async #change(object: KubeObject, value: string, isUpdate: boolean): Promise<KubeObject> {
    const { client, path } = this.#options;
    const at = `${path}/${object.metadata?.name ?? ''}`;
    const { metadata } = object;
    if (!isUpdate) return await client.patch(at, 'merge', { metadata: { labels: { value } } });
    return await client.update(at, { ...object, metadata: { ...metadata, labels: { ...metadata?.labels, value } } });
  }

  async #delete(name: string, last: KubeObject): Promise<void> {
    const { client, path } = this.#options;
    await client.delete(`${path}/${name}`, { preconditions: { resourceVersion: revisionOf(last) } });
    this.#forget(name, last);
  }

  /** Asks until the server is back. */
  async #read(name: string): Promise<KubeObject | undefined> {
    for (;;) {
      try {
        return await this.#options.client.get<KubeObject>(`${this.#options.path}/${name}`);
      } catch (error) {
        if (error instanceof KubeApiError && error.status === 404) return undefined;
        if (!hasCode(error, 'Unavailable')) throw error;
        await delay(RETRY_MS);
      }
    }
  }
}

export interface WatcherOptions {
  readonly client: KubeClient;
  /** Of the collection. */
  readonly path: string;
  readonly labelSelector: string;
  /** From where on it watches. */
  readonly revision: string;
  /** Makes it go by itself now and then, after at most so many events; Infinity: it only goes with the server. */
  readonly restlessness: number;
  readonly random: SeededRandom;
}

/** Watches, and goes on from the last revision that it has seen whenever the watch breaks. */
export class Watcher {
  readonly #options: WatcherOptions;
  readonly #book = new StoryBook();
  #revision: string;
  /** How often it had to begin anew. */
  resumed = -1;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#revision = options.revision;
  }

  get story(): Story {
    return this.#book.story;
  }

  /**
   * Ends when it has seen the writer's last write.
   * @throws Error for an event that is not newer than the one before; KubeApiError where the server does not go on
   */
  async run(): Promise<void> {
    while (!this.story.has(LAST)) {
      try {
        await this.#watch();
      } catch (error) {
        if (!hasCode(error, 'Unavailable')) throw error;
        await delay(RETRY_MS);
      }
    }
  }

  async #watch(): Promise<void> {
    const { client, path, labelSelector, restlessness, random } = this.#options;
    let left = Number.isFinite(restlessness) ? random.between(1, restlessness) : Infinity;
    this.resumed++;
    for await (const { type, object } of client.watch<KubeObject>(path, this.#revision, { query: { labelSelector } })) {
      this.#advance(revisionOf(object), type === 'BOOKMARK');
      if (type !== 'BOOKMARK') this.#book.note(type, object);
      if (this.story.has(LAST) || --left === 0) return;
    }
  }

  #advance(revision: string, isBookmark: boolean): void {
    const [last, next] = [Number(this.#revision), Number(revision)];
    if (next < last || (next === last && !isBookmark)) throw new Error(`revision ${next} came after ${last}`);
    this.#revision = revision;
  }
}

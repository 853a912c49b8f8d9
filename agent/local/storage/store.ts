import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { openDatabase } from './database.ts';
import type { ApiObject, Change, ObjectKey } from './object.ts';
import { rangeOf, type Range } from './range.ts';
import { parse, SnapshotReader, type Objects, type ReadOptions } from './snapshot.ts';

/** The log no longer reaches back to the revision that was asked for. */
export class CompactedError extends Error {
  readonly asked: number;
  readonly compacted: number;

  constructor(asked: number, compacted: number) {
    super(`too old resource version: ${asked} (${compacted})`);
    this.asked = asked;
    this.compacted = compacted;
  }
}

export interface ListOptions extends ReadOptions {
  /** Default: all objects of the resource. */
  readonly range?: Range;
}

export interface Listed extends Objects {
  /** Of the state that was read. */
  readonly revision: number;
}

export type Subscriber = (change: Change) => void;

/** How long the log is kept for watches that were interrupted: etcd's compaction by the API server, five minutes. */
const KEEP_MS = 5 * 60_000;
/** And at the most so many revisions, that a busy server's file stays small. */
const KEEP_REVISIONS = 50_000;

interface Row {
  readonly revision: number;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  readonly body: string;
  readonly previous: string | null;
}

/**
 * Objects and the one log of their revisions, in SQLite. Every method is synchronous: what one call reads belongs
 * together, and a watch that reads the log and subscribes in one turn of the event loop misses nothing and sees nothing
 * twice. A write is on the disk when it returns; subscribers are told after that.
 */
export class Store implements Disposable {
  readonly #database: DatabaseSync;
  readonly #subscribers = new Set<Subscriber>();
  readonly #statements: Record<'get' | 'put' | 'remove' | 'append' | 'bump' | 'log', StatementSync>;
  readonly #snapshots: SnapshotReader;
  /** Changes of the transaction under way. */
  readonly #untold: Change[] = [];
  #revision: number;
  #compacted: number;

  /** @throws WasmletError InvalidRecord */
  constructor(file: string) {
    const database = openDatabase(file);
    this.#database = database;
    const key = 'resource = ? AND namespace = ? AND name = ?';
    this.#statements = {
      get: database.prepare(`SELECT body FROM objects WHERE ${key}`),
      put: database.prepare('INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)'),
      remove: database.prepare(`DELETE FROM objects WHERE ${key}`),
      append: database.prepare('INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
      bump: database.prepare("UPDATE meta SET value = ? WHERE key = 'revision'"),
      log: database.prepare('SELECT * FROM log WHERE resource = ? AND revision > ? ORDER BY revision'),
    };
    this.#snapshots = new SnapshotReader(database);
    this.#revision = this.#meta('revision');
    this.#compacted = this.#meta('compacted');
  }

  /** Of the last write. */
  get revision(): number {
    return this.#revision;
  }

  #meta(key: string): number {
    return Number(this.#database.prepare('SELECT value FROM meta WHERE key = ?').get(key)?.['value'] ?? 0);
  }

  get({ resource, namespace, name }: ObjectKey): ApiObject | undefined {
    const body = this.#statements.get.get(resource, namespace, name)?.['body'];
    return typeof body === 'string' ? parse(body) : undefined;
  }

  /** Writes an object, new or not; its resourceVersion becomes the revision of the write. */
  put(key: ObjectKey, object: ApiObject): ApiObject {
    const previous = this.get(key);
    return this.#write(key, previous ? 'MODIFIED' : 'ADDED', object, previous);
  }

  /** Removes an object. @param last its last state, when that is another than what is stored */
  remove(key: ObjectKey, last?: ApiObject): ApiObject | undefined {
    const previous = this.get(key);
    return previous && this.#write(key, 'DELETED', last ?? previous, previous);
  }

  #write(key: ObjectKey, type: Change['type'], object: ApiObject, previous: ApiObject | undefined): ApiObject {
    const revision = this.#revision + 1;
    const stamped = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
    const { resource, namespace, name } = key;
    const body = JSON.stringify(stamped);
    const before = previous === undefined ? null : JSON.stringify(previous);
    return this.batch(() => {
      if (type === 'DELETED') this.#statements.remove.run(resource, namespace, name);
      else this.#statements.put.run(resource, namespace, name, revision, body);
      this.#statements.append.run(revision, Date.now(), resource, namespace, name, type, body, before);
      this.#revision = revision;
      this.#untold.push({ revision, key, type, object: stamped, previous });
      return stamped;
    });
  }

  /**
   * Makes one transaction of all writes in a function, which wait for the disk together. When it throws, none was made;
   * subscribers are told when all are.
   */
  batch<T>(run: () => T): T {
    if (this.#isWriting()) return run();
    const { revision } = this;
    let result: T;
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      result = run();
      this.#statements.bump.run(this.#revision);
      this.#database.exec('COMMIT');
    } catch (error) {
      // SQLite may have given the transaction up itself.
      if (this.#isWriting()) this.#database.exec('ROLLBACK');
      this.#revision = revision;
      this.#untold.length = 0;
      throw error;
    }
    for (const change of this.#untold.splice(0)) for (const subscriber of this.#subscribers) subscriber(change);
    return result;
  }

  #isWriting(): boolean {
    return this.#database.isTransaction;
  }

  /**
   * Objects of a resource, now or at a revision of before.
   * @throws CompactedError
   */
  list(resource: string, { range = rangeOf(undefined), revision, ...options }: ListOptions = {}): Listed {
    const before = this.#before(revision);
    const read = this.#snapshots.read(resource, range, { ...options, revision: before });
    return { ...read, revision: before ?? this.#revision };
  }

  /** How many objects of a resource a range holds. @throws CompactedError */
  count(resource: string, range: Range, revision?: number): number {
    return this.#snapshots.count(resource, range, this.#before(revision));
  }

  /** The revision, when it is none of now. @throws CompactedError */
  #before(revision: number | undefined): number | undefined {
    if (revision === undefined || revision >= this.#revision) return undefined;
    this.#checkLog(revision);
    return revision;
  }

  #checkLog(revision: number): void {
    if (revision < this.#compacted) throw new CompactedError(revision, this.#compacted);
  }

  /** The changes of a resource after a revision. @throws CompactedError */
  since(resource: string, revision: number): Change[] {
    this.#checkLog(revision);
    return (this.#statements.log.all(resource, revision) as unknown as Row[]).map(changeOf);
  }

  /** Tells of every write from now on, in order, until the function that is returned is called. */
  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /**
   * Forgets how the state came about before the last few minutes.
   * @param keepMs of the log that stays
   */
  compact(keepMs = KEEP_MS): void {
    // From the newest on, so that it reads the minutes that stay, and not all that goes.
    const written = this.#database.prepare(
      'SELECT revision AS last FROM log WHERE written < ? ORDER BY revision DESC LIMIT 1',
    );
    const old = Number(written.get(Date.now() - keepMs)?.['last'] ?? 0);
    const upTo = Math.max(old, this.#revision - KEEP_REVISIONS);
    if (upTo <= this.#compacted) return;
    this.#database.exec('BEGIN IMMEDIATE');
    this.#database.prepare('DELETE FROM log WHERE revision <= ?').run(upTo);
    this.#database.prepare("UPDATE meta SET value = ? WHERE key = 'compacted'").run(upTo);
    this.#database.exec('COMMIT');
    this.#compacted = upTo;
  }

  [Symbol.dispose](): void {
    this.#subscribers.clear();
    this.#database.close();
  }
}

const changeOf = ({ revision, resource, namespace, name, type, body, previous }: Row): Change => ({
  revision,
  key: { resource, namespace, name },
  type: type as Change['type'],
  object: parse(body),
  previous: previous === null ? undefined : parse(previous),
});

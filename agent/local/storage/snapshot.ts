import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ApiObject } from './object.ts';
import type { Range } from './range.ts';

/** Uses the primary key of `objects`, and of `log` the index log_of_object: rows that are not asked for are not read. */
const IN_RANGE =
  'resource = $resource AND (namespace, name) >= ($fromNamespace, $fromName) AND (namespace, name) <= ($toNamespace, $toName)';

const NOW = `SELECT body FROM objects WHERE ${IN_RANGE} ORDER BY namespace, name`;

/**
 * The state of a revision before: the objects that were not written since, and of each that was, what it had been before
 * the first of these writes. Both are in order already, so SQLite merges them as they are read.
 */
const BEFORE = `
  SELECT namespace, name, body FROM objects WHERE ${IN_RANGE} AND revision <= $revision
  UNION ALL
  SELECT namespace, name, previous AS body FROM log AS change
  WHERE ${IN_RANGE} AND revision > $revision AND previous IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM log AS earlier
    WHERE earlier.resource = change.resource AND earlier.namespace = change.namespace AND earlier.name = change.name
      AND earlier.revision > $revision AND earlier.revision < change.revision
  )
  ORDER BY namespace, name`;

export interface ReadOptions {
  /** Of the state; undefined: now. */
  readonly revision?: number | undefined;
  /** At most so many objects; 0: all. */
  readonly limit?: number;
  /** Which of them; default: all. */
  readonly selected?: (object: ApiObject) => boolean;
}

export interface Objects {
  /** In the order of namespace and name. */
  readonly objects: ApiObject[];
  /** Whether objects of the range come after these, selected or not. */
  readonly hasMore: boolean;
}

type Parameters = Record<string, string | number>;

/** Reads parts of a resource's objects as they were at a revision that the log reaches back to. */
export class SnapshotReader {
  readonly #now: StatementSync;
  readonly #before: StatementSync;
  readonly #countNow: StatementSync;
  readonly #countBefore: StatementSync;

  constructor(database: DatabaseSync) {
    this.#now = database.prepare(NOW);
    this.#before = database.prepare(BEFORE);
    this.#countNow = database.prepare(`SELECT count(*) AS count FROM objects WHERE ${IN_RANGE}`);
    this.#countBefore = database.prepare(`SELECT count(*) AS count FROM (${BEFORE})`);
  }

  /** Reads until as many objects as are wanted were selected, and no further. */
  read(resource: string, range: Range, { revision, limit = 0, selected = () => true }: ReadOptions = {}): Objects {
    const statement = revision === undefined ? this.#now : this.#before;
    const objects: ApiObject[] = [];
    for (const { body } of statement.iterate(parametersOf(resource, range, revision))) {
      if (limit > 0 && objects.length === limit) return { objects, hasMore: true };
      const object = parse(body);
      if (selected(object)) objects.push(object);
    }
    return { objects, hasMore: false };
  }

  /** How many objects there are, selected or not. */
  count(resource: string, range: Range, revision?: number): number {
    const statement = revision === undefined ? this.#countNow : this.#countBefore;
    return Number(statement.get(parametersOf(resource, range, revision))?.['count'] ?? 0);
  }
}

/** SQLite refuses parameters that a statement does not have. */
const parametersOf = (resource: string, { from, to }: Range, revision: number | undefined): Parameters => ({
  resource,
  fromNamespace: from.namespace,
  fromName: from.name,
  toNamespace: to.namespace,
  toName: to.name,
  ...(revision === undefined ? {} : { revision }),
});

/** An object of a column that holds one. */
export const parse = (body: unknown): ApiObject => JSON.parse(String(body)) as ApiObject;

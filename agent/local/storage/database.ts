import { DatabaseSync } from 'node:sqlite';
import { messageOf, WasmletError } from '../../../base/errors.ts';

/** Version of the tables below; kept in SQLite's own user_version. */
const SCHEMA_VERSION = 1;

/**
 * `objects` is the state, `log` how it came about, in the order of revisions; a write is one transaction over both.
 * `meta` holds the revision up to which the log was compacted.
 */
const TABLES = `
  CREATE TABLE objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (resource, namespace, name)
  ) WITHOUT ROWID;
  CREATE TABLE log (
    revision INTEGER PRIMARY KEY, written INTEGER NOT NULL, resource TEXT NOT NULL, namespace TEXT NOT NULL,
    name TEXT NOT NULL, type TEXT NOT NULL, body TEXT NOT NULL, previous TEXT
  );
  CREATE INDEX log_of_resource ON log (resource, revision);
  CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  INSERT INTO meta VALUES ('compacted', 0), ('revision', 0);
`;

/**
 * What became of one object, by which states of before are read in the order of names. An index changes no table, so a
 * database of an earlier release is given it, and that release can still use it.
 */
const INDEXES = 'CREATE INDEX IF NOT EXISTS log_of_object ON log (resource, namespace, name, revision)';

/**
 * Opens the database of a local API server, or makes it. What is committed is on the disk (synchronous=FULL, a write-ahead
 * log): kill -9 and a power cut lose nothing that was acknowledged.
 * @throws WasmletError InvalidRecord when it is damaged or newer than this release
 */
export function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;');
    const version = Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
    if (version > SCHEMA_VERSION) {
      throw new Error(`it is of version ${version}, and this release reads up to ${SCHEMA_VERSION}`);
    }
    if (version === 0) database.exec(`BEGIN; ${TABLES} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT;`);
    database.exec(INDEXES);
    return database;
  } catch (cause) {
    database.close();
    const why = messageOf(cause);
    throw new WasmletError('InvalidRecord', `${file}: ${why}; move it away to start without it`, { cause });
  }
}

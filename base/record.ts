import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { ignoreMissing, WasmletError } from './errors.ts';

/** A versioned JSON document on disk. `version` counts the schema, from 1; `kind` says what it is. */
export interface RecordType<T> {
  readonly kind: string;
  readonly version: number;
  readonly schema: z.ZodType<T>;
  /** Brings the body of an older version up to this one, where one was ever released. */
  readonly upgrade?: (body: unknown, fromVersion: number) => unknown;
}

export interface WriteOptions {
  /** Permission bits. Default: 0o600. */
  readonly mode?: number;
  /**
   * Whether it is there after a power cut, for which the disk is waited for twice. Default: true. If not, what is found
   * then is the new content, the old one, or an empty file; whatever happens to this process loses nothing.
   */
  readonly durable?: boolean;
}

/**
 * Writes a file so that a reader sees the old or the new content whole, also after a power cut: temporary name, fsync,
 * rename, fsync of the folder.
 */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  { mode = 0o600, durable = true }: WriteOptions = {},
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, data, { flag: 'wx', mode, flush: durable });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  if (!durable) return;
  await using folder = await open(dirname(path), 'r');
  await folder.sync();
}

/** Writes a record atomically (see writeFileAtomic) with its kind and version. */
export async function writeRecord<T>(
  path: string,
  type: RecordType<T>,
  body: T,
  options: Pick<WriteOptions, 'durable'> = {},
): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify({ kind: type.kind, version: type.version, body })}\n`, options);
}

/**
 * Reads a record.
 * @returns the body, or undefined when there is no such file, or an empty one: what a power cut leaves of one that was
 *   not synced
 * @throws WasmletError InvalidRecord when it is damaged, of another kind, or newer than this release knows
 */
export async function readRecord<T>(path: string, type: RecordType<T>): Promise<T | undefined> {
  const text = await readFile(path, 'utf8').catch(ignoreMissing);
  return text === undefined || text === '' ? undefined : parseRecord(text, type, path);
}

/** The parsing half of readRecord; `path` is named in the error. */
export function parseRecord<T>(text: string, type: RecordType<T>, path: string): T {
  const invalid = (why: string, cause?: unknown) =>
    new WasmletError('InvalidRecord', `${path}: ${why}; move it away to start without it`, { cause });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw invalid('not JSON', cause);
  }
  const envelope = parsed as { kind?: unknown; version?: unknown; body?: unknown } | null;
  if (envelope?.kind !== type.kind) throw invalid(`not a ${type.kind} record`);
  if (typeof envelope.version !== 'number' || envelope.version > type.version) {
    throw invalid(`${type.kind} version ${String(envelope.version)}, but this release reads up to ${type.version}`);
  }
  let body = envelope.body;
  if (envelope.version < type.version) {
    if (!type.upgrade) throw invalid(`${type.kind} version ${envelope.version} is no longer read`);
    body = type.upgrade(body, envelope.version);
  }
  const result = type.schema.safeParse(body);
  if (!result.success) throw invalid(`malformed ${type.kind}`, result.error);
  return result.data;
}

import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument, isMap, isScalar } from 'yaml';
import { messageOf, WasmletError } from '../../base/errors.ts';

export interface ConfigFile {
  readonly values: Readonly<Record<string, unknown>>;
  /** Line of each top-level key, from 1. */
  readonly lines: ReadonlyMap<string, number>;
}

/**
 * Reads a configuration file: YAML, of which JSON is a part.
 * @throws WasmletError InvalidConfig when it cannot be read or is not a mapping
 */
export function readConfigFile(path: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new WasmletError('InvalidConfig', `the configuration file cannot be read: ${messageOf(cause)}`, { cause });
  }
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: true });
  const [error] = document.errors;
  if (error) throw new WasmletError('InvalidConfig', `${path}: ${error.message}`, { cause: error });
  if (document.contents === null) return { values: {}, lines: new Map() };
  if (!isMap(document.contents)) {
    throw new WasmletError('InvalidConfig', `${path}: expected a mapping of options to values`);
  }
  const lines = new Map<string, number>();
  for (const { key } of document.contents.items) {
    if (isScalar(key)) lines.set(String(key.value), lineCounter.linePos(key.range[0]).line);
  }
  return { values: document.toJS() as Record<string, unknown>, lines };
}

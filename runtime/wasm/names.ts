import { ByteReader } from './bytes.ts';
import type { Module } from './module.ts';
import { ModuleError } from './module-error.ts';

/** Names for people: from the custom section `name` (core specification, appendix, "Name Section"). */
export interface Names {
  readonly module: string | undefined;
  /** By function index. */
  readonly functions: ReadonlyMap<number, string>;
  /** By function index, then by local index. */
  readonly locals: ReadonlyMap<number, ReadonlyMap<number, string>>;
}

const MODULE = 0;
const FUNCTIONS = 1;
const LOCALS = 2;

/** A broken name section is no fault of a module (the specification says to ignore it): what was read so far counts. */
export function readNames({ bytes, custom }: Module): Names {
  const names = {
    module: undefined as string | undefined,
    functions: new Map<number, string>(),
    locals: new Map<number, Map<number, string>>(),
  };
  const section = custom.find(({ name }) => name === 'name');
  if (section === undefined) return names;
  try {
    const reader = new ByteReader(bytes, section.content.start, section.content.end);
    while (!reader.atEnd) {
      const id = reader.u8();
      const size = reader.u32();
      const start = reader.skip(size);
      const part = new ByteReader(bytes, start, start + size);
      if (id === MODULE) names.module = part.name();
      else if (id === FUNCTIONS) readNameMap(part, names.functions);
      else if (id === LOCALS) readLocals(part, names.locals);
    }
  } catch (error) {
    if (!(error instanceof ModuleError)) throw error;
  }
  return names;
}

function readNameMap(reader: ByteReader, into: Map<number, string>): Map<number, string> {
  for (let left = reader.count(); left > 0; left--) into.set(reader.u32(), reader.name());
  return into;
}

function readLocals(reader: ByteReader, into: Map<number, Map<number, string>>): void {
  for (let left = reader.count(); left > 0; left--) into.set(reader.u32(), readNameMap(reader, new Map()));
}

/** What made the module: custom section `producers` (tool conventions, "Producers Section"). */
export interface Producer {
  /** 'language', 'processed-by' or 'sdk'. */
  readonly field: string;
  readonly name: string;
  readonly version: string;
}

/** As with names, a broken section ends the list and is no fault of the module. */
export function readProducers({ bytes, custom }: Module): Producer[] {
  const producers: Producer[] = [];
  const section = custom.find(({ name }) => name === 'producers');
  if (section === undefined) return producers;
  try {
    const reader = new ByteReader(bytes, section.content.start, section.content.end);
    for (let fields = reader.count(); fields > 0; fields--) {
      const field = reader.name();
      for (let values = reader.count(); values > 0; values--) {
        producers.push({ field, name: reader.name(), version: reader.name() });
      }
    }
  } catch (error) {
    if (!(error instanceof ModuleError)) throw error;
  }
  return producers;
}

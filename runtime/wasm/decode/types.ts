import type { ByteReader } from '../bytes.ts';
import { LIMITS } from '../limits.ts';
import { malformed, unsupported } from '../module-error.ts';
import { readValueType } from '../type-reader.ts';
import type { FunctionType } from '../types.ts';
import { readVector } from './vector.ts';

const FUNCTION_TYPE = 0x60;
const RECURSIVE_GROUP = 0x4e;
/** Forms of the type section that only garbage collection has. */
const GC_FORMS: ReadonlyMap<number, string> = new Map([
  [0x5f, 'struct type'],
  [0x5e, 'array type'],
  [0x50, 'sub type'],
  [0x4f, 'final sub type'],
]);

/** What a type section defines. */
export interface TypeDefinitions {
  readonly types: FunctionType[];
  /** Of each type: the index of the first of its recursive group. Most types are alone in theirs. */
  readonly typeGroups: number[];
}

/** Core specification, "Binary Format", Recursive Types: a group, or one type that is a group of its own. */
export function readTypes(reader: ByteReader, { types, typeGroups }: TypeDefinitions): void {
  readVector(reader, LIMITS.types, () => {
    const first = types.length;
    const add = (): void => {
      if (types.length >= LIMITS.types)
        malformed('length out of bounds', reader.offset, `more than ${LIMITS.types} types`);
      types.push(readFunctionType(reader));
      typeGroups.push(first);
    };
    if (reader.peek() !== RECURSIVE_GROUP) {
      add();
      return;
    }
    reader.u8();
    readVector(reader, LIMITS.types, add);
  });
}

function readFunctionType(reader: ByteReader): FunctionType {
  const at = reader.offset;
  const form = reader.u8();
  const gc = GC_FORMS.get(form);
  if (gc !== undefined) unsupported(`garbage collection (${gc})`, at);
  if (form !== FUNCTION_TYPE) malformed('integer representation too long', at, `no form of a type: ${form}`);
  return {
    parameters: readVector(reader, LIMITS.parameters, () => readValueType(reader)),
    results: readVector(reader, LIMITS.results, () => readValueType(reader)),
  };
}

import { ByteReader } from '../bytes.ts';
import { LIMITS } from '../limits.ts';
import { malformed } from '../module-error.ts';
import type { FunctionBody, LocalRun } from '../module.ts';
import { readValueType } from '../type-reader.ts';

/** A body's place and its locals; the instructions stay unread. */
export function readFunctionBody(reader: ByteReader): FunctionBody {
  const start = reader.offset;
  const size = reader.u32();
  if (size > LIMITS.functionBytes) malformed('length out of bounds', start, `a function of ${size} bytes`);
  const localsStart = reader.skip(size);
  const end = localsStart + size;
  const body = new ByteReader(reader.bytes, localsStart, end, 'unexpected end of section or function');
  return { start, end, localsStart, locals: readLocals(body), codeStart: body.offset };
}

function readLocals(reader: ByteReader): LocalRun[] {
  const runs: LocalRun[] = [];
  let total = 0;
  for (let left = reader.count(); left > 0; left--) {
    const at = reader.offset;
    const count = reader.u32();
    total += count;
    if (total > LIMITS.locals) malformed('too many locals', at, `${total}, of ${LIMITS.locals} allowed`);
    runs.push({ count, type: readValueType(reader) });
  }
  return runs;
}

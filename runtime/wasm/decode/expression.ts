import type { ByteReader } from '../bytes.ts';
import { InstructionReader } from '../instructions.ts';
import type { Expression } from '../module.ts';

/** Steps over a constant expression. Whether its instructions are constant, the validator tells. */
export function readExpression(reader: ByteReader): Expression {
  const start = reader.offset;
  const instructions = new InstructionReader(reader.bytes, start, reader.end);
  for (let depth = 1; depth > 0;) {
    const { name, immediates } = instructions.next();
    if (name === 'end') depth--;
    else if (immediates[0] === 'blocktype') depth++;
  }
  reader.offset = instructions.end;
  return { start, end: instructions.end };
}

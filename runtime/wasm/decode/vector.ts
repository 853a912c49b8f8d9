import type { ByteReader } from '../bytes.ts';
import { malformed } from '../module-error.ts';

/**
 * A vector: its length, and as many elements.
 * @param limit the largest length; beyond it the module is refused before anything is read
 * @throws ModuleError
 */
export function readVector<Element>(reader: ByteReader, limit: number, read: () => Element): Element[] {
  const at = reader.offset;
  const count = reader.count();
  if (count > limit) malformed('length out of bounds', at, `${count} elements, of ${limit} allowed`);
  const elements: Element[] = [];
  for (let index = 0; index < count; index++) elements.push(read());
  return elements;
}

import { both, type Operation } from './handler.ts';

/**
 * What is one instruction although it does the work of two, chosen by how often the second comes behind the first in
 * programs (test/bench/interpreter/kernels.c). `~b` says that operand b of the second is the first one's result: it need
 * not be read back from its slot then. One of the two may trap at the most: that is where the instruction is from.
 */
const PAIRS: Readonly<Record<string, string>> = {
  'i32.add':
    'i32.add~a i32.add~b i32.add:i copy:32 return:32 i32.load~a i64.load~a f64.load~a i32.store~v i32.store:wrap~v br:i32.lt_u:i~a',
  'i32.add:i':
    'i32.add:i~a i32.add:i i32.add i32.and:i~a i32.shr_u:i~a i32.load~a i32.load8_u~a call br:i32.ne:i~a br:i32.ne~a br:i32.lt_u~a br:i32.lt_u~b',
  'i32.sub': 'return:32~a',
  'i32.mul': 'i32.add~a i32.add~b',
  'i32.and': 'i32.xor~b br:i32.ne:i~a',
  'i32.and:i': 'br:i32.eq:i~a br:i32.ne:i~a',
  'i32.xor': 'i32.and~a i32.xor~a',
  'i32.shl:i': 'i32.load~a i32.add~b',
  'i32.shr_u:i': 'i32.and:i~a i32.xor~b',
  'i32.rotl:i': 'i32.xor~b',
  'i32.gt_u': 'i32.lt_u',
  'i32.lt_s:i': 'select:32~c',
  'i32.gt_s': 'select:32~c',
  'i32.lt_s': 'select:32~c',
  'i32.ne:i': 'br:i32.eq:i~a',
  'select:32': 'i32.store~v',
  'i32.load': 'i32.and:i~a i32.add~a i32.add~b br:i32.eq:i~a br:i32.ne:i~a copy:32',
  'i32.load:wrap': 'i32.add~b',
  'i32.load8_u': 'br:i32.ne:i~a br:i32.eq:i~a',
  'i32.load16_u': 'br:i32.ne~a br:i32.ne:i~a br:i32.eq:i~a',
  'i32.load16_s:wrap': 'i32.mul~a i32.mul~b',
  'i32.store': 'copy:32 i32.add:i',
  'i64.add': 'i64.add~a i64.store~v',
  'i64.and:i': 'br:i64.eq:i~a br:i64.ne:i~a',
  'i64.xor': 'i64.xor~b i64.xor~a i64.xor i64.rotl:i~a i64.rotl:i',
  'i64.rotl:i': 'i64.xor~b i64.xor i64.mul:i~a',
  'i64.mul:i': 'i64.rotl:i~a i64.add~b i64.add:i~a',
  'i64.mul': 'i64.add~a i64.add~b',
  'i64.shl:i': 'i64.xor~b',
  'i64.shr_u:i': 'i64.add~b i64.xor~b br:i64.ne:i~a',
  'i64.load:wrap': 'i64.mul~a',
  'i64.load': 'i64.add~a',
  'i64.store': 'i32.add:i',
  'f64.add': 'f64.mul~a f64.mul~b f64.add~a f64.add~b f64.add f64.mul f64.store~v',
  'f64.sub': 'f64.add~b',
  'f64.mul': 'f64.mul~a f64.mul~b f64.mul f64.add~a f64.add~b f64.sub~a f64.sub~b',
  'f64.lt': 'br:i32.eq:i~a br:i32.ne:i~a',
  'f64.load': 'f64.add~b',
  'f64.load:wrap': 'f64.mul~b',
  'f64.store': 'i32.add:i',
  'f32.add': 'f32.sqrt~a f32.store~v',
  'f32.mul': 'f32.mul~a f32.mul f32.add~a f32.add~b f32.div~a f32.div~b',
  'f32.load': 'f32.add~a',
  'f32.load:wrap': 'f32.sub~a f32.mul~a f32.mul~b',
  'f32.store': 'i32.add:i',
  'copy:32': 'copy:32 i32.load i32.add:i call jump br:i32.ne:i',
  'const:32': 'const:32 copy:32 i32.add:i i32.load i32.store~v i32.store8:wrap~v f32.add~b f32.mul~b',
  'const:64': 'i64.and~b i64.rem_u~b f64.add~b f64.mul~b f64.lt~b',
  'v128.load': 'f32x4.mul~b f32x4.add~b i32.add:i',
  'v128.store': 'i32.add:i',
  'f32x4.mul': 'f32x4.add~b',
  'const:128': 'v128.and~b i8x16.add~b i8x16.eq~b i8x16.lt_u~b',
  enter: 'const:32 copy:32',
};

/** @param operations that they are made of */
export function pairsOf(operations: readonly Operation[]): Operation[] {
  const byName = new Map(operations.map((operation) => [operation.name, operation]));
  return Object.entries(PAIRS).flatMap(([firstName, seconds]) =>
    seconds.split(' ').map((text) => {
      const [secondName = '', takes] = text.split('~');
      const [first, second] = [byName.get(firstName), byName.get(secondName)];
      if (first === undefined || second === undefined)
        throw new RangeError(`no operations ${firstName}, ${secondName}`);
      return both(first, second, takes);
    }),
  );
}

import { chained, type Operation } from './handler.ts';

/**
 * What is one instruction although it does the work of several, chosen by how often the next comes behind the first in
 * programs (test/bench/interpreter/kernels.c, and what Go, C++ and Rust make of test/workloads). The first may be one of these itself. `~b` says that operand b of the next
 * is the first one's result: it need not be read back from its slot then. `=b` says that nobody else reads it, so that it
 * need not be written either, and `*b` is both, for either case. One of them may trap at the most: that is where the
 * instruction is from.
 */
const CHAINS: Readonly<Record<string, string>> = {
  'i32.add':
    'i32.add*a i32.add*b i32.add:i copy:32 return:32 i32.load~a i64.load~a i32.store=v i32.store:wrap=v i32.add',
  'i32.add i32.add': 'f64.load~a',
  'i32.add i32.add f64.load~a': 'f64.mul=b',
  'i32.add:i':
    'i32.add:i=a i32.add:i i32.add i32.and:i*a i32.shr_u:i=a i32.load*a i32.load8_u*a call br:i32.ne:i~a br:i32.ne~a br:i32.lt_u~a br:i32.lt_u:i~a global.set:32*a i32.store=v',
  'i32.add:i global.set:32=a': 'return',
  'i32.add:i i32.add:i': 'br:i32.lt_u:i~a br:i32.ne:i~a call',
  'i32.sub': 'return:32=a i32.shr_s:i=a',
  'i32.mul': 'i32.add=b',
  'i32.mul:i': 'i32.add:i*a',
  'i32.and': 'i32.xor=b br:i32.ne:i=a',
  'i32.and:i': 'br:i32.eq:i*a br:i32.ne:i*a',
  'i32.xor': 'i32.and=a',
  'i32.xor i32.and=a': 'i32.xor',
  'i32.shl:i': 'i32.load*a i32.add*b i32.load:add=b',
  'i32.shr_u:i': 'i32.and:i=a i32.xor=b',
  'i32.rotl:i': 'i32.rotl:i i32.xor=b',
  'i32.rotl:i i32.rotl:i': 'i32.xor=b',
  'i32.rotl:i i32.xor=b': 'i32.add=b',
  'i32.gt_u': 'i32.lt_u',
  'i32.gt_u i32.lt_u': 'i32.sub=b',
  'i32.gt_u i32.lt_u i32.sub=b': 'return:32=a',
  'i32.lt_s:i': 'select:32=c',
  'i32.gt_s': 'select:32=c',
  'i32.lt_s': 'select:32=c',
  'i32.ne:i': 'br:i32.eq:i',
  'select:32': 'i32.store=v',
  'i32.load': 'i32.and:i*a i32.add*a i32.add=b br:i32.eq:i*a br:i32.ne:i*a copy:32',
  'i32.load:wrap': 'i32.add=b',
  'i32.wrap_i64': 'i32.load=a i64.load=a i64.load32_u=a i64.load8_u=a i64.store=a',
  'i32.load8_u': 'br:i32.ne:i=a br:i32.eq:i*a',
  'i32.load8_u:wrap': 'br:i32.ne:i*a br:i32.eq:i=a',
  'i32.load16_u': 'br:i32.ne=a br:i32.ne:i*a br:i32.eq:i~a',
  'i32.load16_s': 'i32.gt_s~b',
  'i32.load16_s i32.gt_s~b': 'select:32*c',
  'i32.load16_s:wrap': 'i32.mul=a',
  'i32.load16_s:wrap i32.mul=a': 'i32.add=b',
  'i32.store': 'copy:32 return i32.add:i br:i32.ne:i br:i32.eq:i',
  'i64.extend_i32_u': 'i64.add:i=a',
  'i64.extend_i32_u i64.add:i=a': 'i32.wrap_i64=a',
  'i64.extend_i32_u i64.add:i=a i32.wrap_i64=a': 'i64.load=a i64.load32_u=a',
  'i64.eq:i': 'i64.extend_i32_u=a',
  'i64.eq:i i64.extend_i32_u=a': 'br:i64.eq:i=a br:i64.ne:i=a',
  'i64.add:i': 'i32.wrap_i64=a i64.add:i',
  'i64.add:i i32.wrap_i64=a': 'i64.load8_u=a',
  'i64.add': 'i32.wrap_i64=a i64.and:c~a i64.store=v',
  'i64.and:i': 'br:i64.eq:i=a',
  'i64.xor': 'i64.xor i64.rotl:i*a i64.shl:i i32.add:i',
  'i64.xor i64.shl:i': 'i64.xor=b',
  'i64.xor i64.rotl:i~a': 'i64.xor',
  'i64.xor i32.add:i': 'br:i32.ne:i~a',
  'i64.rotl:i': 'i64.xor=b i64.xor',
  'i64.mul:i': 'i64.rotl:i=a',
  'i64.mul:i i64.rotl:i=a': 'i64.mul:i=a',
  'i64.mul:i i64.rotl:i=a i64.mul:i=a': 'i64.add=a',
  'i64.mul': 'i64.add=b i64.rem_u:c=a',
  'i64.mul i64.rem_u:c=a': 'i64.shr_u:i',
  'i64.mul i64.rem_u:c=a i64.shr_u:i': 'br:i64.ne:i~a',
  'i64.shl:i': 'i64.add=b',
  'i64.shl:i i64.add=b': 'i32.wrap_i64=a',
  'i64.shl:i i64.add=b i32.wrap_i64=a': 'i64.load=a',
  'i64.shr_u:i': 'i64.add=b',
  'i64.load:wrap': 'i64.mul=a',
  'i64.load:wrap i64.mul=a': 'i64.add=b i64.add',
  'i64.load:wrap i64.mul=a i64.add=b': 'i64.and:c~a',
  'i64.load': 'i64.add=a i64.shr_u:i i32.wrap_i64*a br:i64.eq:i*a br:i64.ne:i*a',
  'i64.load i64.shr_u:i': 'i64.add=b',
  'i64.store': 'i32.add:i i64.shr_u:i',
  'i64.store i32.add:i': 'global.set:32~a',
  'i64.store i64.shr_u:i': 'i32.add:i',
  'i64.store i64.shr_u:i i32.add:i': 'br:i32.ne:i~a',
  'f64.add': 'f64.mul=a f64.mul=b f64.add=a f64.add=b f64.store=v f64.lt:c=a f64.gt:c=a',
  'f64.add f64.mul=a': 'f64.add=a',
  'f64.sub': 'f64.add=b f64.mul=a f64.mul=b',
  'f64.sub f64.add=b': 'f64.mul',
  'f64.mul': 'f64.mul=a f64.mul=b f64.mul f64.add=a f64.add*b f64.sub=a f64.sub=b',
  'f64.mul f64.mul': 'f64.add~b',
  ...comparisons('f64'),
  ...comparisons('f32'),
  'f64.load': 'f64.add=b f64.add=a f64.mul=a f64.mul=b f64.sub=a f64.sub=b',
  'f64.load:wrap': 'f64.mul=b f64.mul=a f64.add=a f64.add=b f64.sub=a f64.sub=b',
  'f64.store': 'i32.add:i',
  'f64.store i32.add:i': 'br:i32.ne:i~a',
  'f32.add': 'f32.sqrt=a f32.store=v f32.add:c=a f32.mul=a f32.mul=b',
  'f32.sub': 'f32.mul=a f32.mul=b',
  'f32.sqrt': 'f32.mul=b',
  'f32.mul': 'f32.mul=a f32.add=a f32.add=b f32.div=a f32.div=b',
  'f32.mul f32.add=b': 'f32.add=b',
  'f32.mul f32.add=b f32.add=b': 'f32.add:c=a',
  'f32.mul f32.add=b f32.add=b f32.add:c=a': 'f32.sqrt~a',
  'f32.mul f32.add=a': 'f32.mul',
  'f32.mul f32.add=a f32.mul': 'f32.add=a',
  'f32.load': 'f32.add=a f32.add=b f32.mul=a f32.mul=b f32.sub=a f32.sub=b',
  'f32.load:wrap': 'f32.sub=a f32.sub=b f32.mul=a f32.mul=b f32.add=a f32.add=b f32.mul:c=a',
  'f32.load:wrap f32.mul:c=a': 'f32.mul',
  'f32.store': 'i32.add:i',
  'copy:32': 'copy:32 i32.load i32.add:i call jump br:i32.ne:i',
  'copy:32 copy:32': 'copy:32 i32.load f32.mul call',
  'const:32': 'const:32 copy:32 i32.add:i i32.load i32.store=v i32.store8:wrap=v jump call return:32=a',
  'const:32 const:32': 'call',
  'const:64': 'i64.store=v i32.wrap_i64',
  'global.get:32': 'i32.add:i*a br:i32.ne:i=a',
  'global.get:32 i32.add:i=a': 'global.set:32=a',
  'const:32 i32.add:i': 'br:i32.ne:i~a',
  'const:32 i32.store8:wrap=v': 'i32.add',
  'const:32 i32.store8:wrap=v i32.add': 'br:i32.lt_u:i~a',
  'v128.load': 'f32x4.mul=b f32x4.add=b',
  'v128.load:wrap': 'f32x4.mul=b f32x4.add=b f32x4.mul=a f32x4.add=a',
  'v128.load:wrap f32x4.mul=b': 'f32x4.add=b',
  'f32x4.mul': 'f32x4.add=b f32x4.add=a',
  'f32x4.convert_i32x4_s': 'v128.store:wrap=v',
  'i32x4.add:c': 'f32x4.convert_i32x4_s=a',
  'i32x4.add:c f32x4.convert_i32x4_s=a': 'v128.store:wrap=v',
  'i8x16.add:c': 'i8x16.lt_u:c=a',
  'i8x16.add:c i8x16.lt_u:c=a': 'v128.and:c=a',
  'i8x16.add:c i8x16.lt_u:c=a v128.and:c=a': 'v128.or=b',
  'v128.and:c': 'i8x16.eq:c=a',
  enter: 'const:32 copy:32 global.get:32',
  'enter global.get:32': 'i32.add:i=a',
  'enter global.get:32 i32.add:i=a': 'global.set:32~a',
  'enter const:32': 'br:i32.lt_u:i',
};

/** Comparisons of floats, which have no opposite that branches could take: they do with a number that is 0 or not. */
function comparisons(prefix: string): Record<string, string> {
  const names = ['eq', 'ne', 'lt', 'gt', 'le', 'ge', 'lt:c', 'gt:c'];
  return Object.fromEntries(names.map((name) => [`${prefix}.${name}`, 'br:i32.eq:i=a br:i32.ne:i=a']));
}

/** @param operations that they are made of */
export function chainsOf(operations: readonly Operation[]): Operation[] {
  const byName = new Map(operations.map((operation) => [operation.name, operation]));
  const find = (name: string): Operation => {
    const found = byName.get(name);
    if (found === undefined) throw new RangeError(`there is no operation ${name}`);
    return found;
  };
  const chains: Operation[] = [];
  for (const [first, seconds] of Object.entries(CHAINS)) {
    for (const [, name = '', link = '', takes] of seconds.matchAll(/([^ =~*]+)(?:([=~*])([a-z]))?/g)) {
      // What asks least comes last: the encoder takes the first that fits.
      for (const drops of link === '*' ? [true, false] : [link === '=']) {
        const chain = chained(find(first), find(name), takes, drops);
        chains.push(chain);
        byName.set(chain.name, chain);
      }
    }
  }
  return chains;
}

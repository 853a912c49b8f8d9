import { THREADS } from '../../../wasm/opcodes/threads.ts';
import { chainsOf } from './chains.ts';
import type { Chain, Operation } from './handler.ts';
import { CONTROL } from './operations/control.ts';
import { INTEGERS } from './operations/integers.ts';
import { coldMemory, furtherMemory, type GuestMemoryShape, hotMemory } from './operations/memory.ts';
import { FLOATING, scalars, VECTORS } from './operations/numbers.ts';
import { SYSTEM } from './operations/system.ts';

/** What a core is made for: the memories of its guest. */
export type Shape = readonly GuestMemoryShape[];

/** A guest without a memory gets one of no pages. */
const NO_MEMORY: GuestMemoryShape = { is64: false, shared: false };

/** The memories that a core for this shape imports. */
export const memoriesOf = (shape: Shape): Shape => (shape.length === 0 ? [NO_MEMORY] : shape);

/** An instruction that does the work of another and one more. */
type Longer = { readonly code: number } & Pick<Chain, 'second' | 'takes' | 'drops'>;

const NONE: readonly Longer[] = [];

/**
 * The instructions of the interpreter, by opcode: the hot loop's first, as dispatch is a table of all of them. The
 * numbers are the same for every shape but for further memories, which are last.
 */
export class InstructionSet {
  readonly operations: readonly Operation[];
  /** Whether the first memory has addresses of 64 bits. */
  readonly is64: boolean;
  readonly #codes: ReadonlyMap<string, number>;
  readonly #chains = new Map<string, Longer[]>();

  constructor(shape: Shape) {
    const [first = NO_MEMORY, ...further] = memoriesOf(shape);
    this.is64 = first.is64;
    const hot = [...INTEGERS, ...CONTROL, ...hotMemory(first), ...FLOATING];
    const cold = [...VECTORS, ...coldMemory(first, THREADS)];
    const operations = [
      ...hot,
      ...chainsOf([...hot, ...cold]),
      ...SYSTEM,
      ...scalars(new Set(hot.map(({ name }) => name))),
      ...cold,
      ...further.flatMap((memory, index) => furtherMemory(memory, index + 1, THREADS)),
    ];
    // Banks together, so that each is a range.
    this.operations = BANKS.flatMap((bank) => operations.filter((operation) => operation.bank === bank));
    this.#codes = new Map(this.operations.map(({ name }, code) => [name, code]));
    for (const [code, { chain }] of this.operations.entries()) {
      if (chain === undefined) continue;
      const { first, second, takes, drops } = chain;
      const key = `${first} ${second.name}`;
      this.#chains.set(key, [...this.chains(first, second.name), { code, second, takes, drops }]);
    }
  }

  /** The instructions that do the work of these two, one behind the other. */
  chains(first: string, second: string): readonly Longer[] {
    return this.#chains.get(`${first} ${second}`) ?? NONE;
  }

  /** @throws RangeError when there is none of that name: a fault of the lowering */
  code(name: string): number {
    const code = this.#codes.get(name);
    if (code === undefined) throw new RangeError(`the interpreter has no instruction ${name}`);
    return code;
  }

  has(name: string): boolean {
    return this.#codes.has(name);
  }
}

export const BANKS = ['hot', 'system', 'numbers', 'vectors', 'memory'] as const;

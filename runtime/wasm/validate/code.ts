import { InstructionReader } from '../instructions.ts';
import { invalid, malformed, unsupported } from '../module-error.ts';
import type { Expression } from '../module.ts';
import { ADDRESS, type Opcode } from '../opcodes/opcode.ts';
import type { FunctionType, ValueType } from '../types.ts';
import { addressOf, type ModuleContext } from './context.ts';
import type { Locals } from './locals.ts';
import { RULES } from './rules.ts';
import { ValidationStack } from './stack.ts';

const LANES_OF_SHUFFLE = 32;
const END_RULE = 'END opcode expected';

/** The state in which the instructions of a function, or of a constant expression, are validated. */
export class CodeValidator {
  readonly context: ModuleContext;
  readonly reader: InstructionReader;
  readonly stack: ValidationStack;
  readonly locals: Locals;
  /** Results of the function, for return. */
  readonly results: readonly ValueType[];

  constructor(context: ModuleContext, { start, end }: Expression, locals: Locals, results: readonly ValueType[]) {
    this.context = context;
    this.reader = new InstructionReader(context.module.bytes, start, end);
    this.stack = new ValidationStack(context.types);
    this.locals = locals;
    this.results = results;
    this.enter('function', [], results);
  }

  /** Validates up to the `end` that closes the function. @param constant refuses what is no constant instruction */
  run(constant: ((code: CodeValidator, opcode: Opcode) => void) | undefined): void {
    const { reader, stack } = this;
    while (stack.frames.length > 0) {
      const opcode = reader.next();
      stack.offset = reader.start;
      constant?.(this, opcode);
      this.#validate(opcode);
    }
    if (!reader.atEnd) malformed(END_RULE, reader.end);
  }

  #validate(opcode: Opcode): void {
    const { signature, immediates } = opcode;
    if (signature === undefined) {
      const rule = RULES.get(opcode.code);
      // All others have a signature or a rule: a test of the table sees to that.
      if (rule === undefined) unsupported(`garbage collection (${opcode.name})`, this.reader.start);
      else rule(this);
      return;
    }
    if (immediates.length > 0) this.#immediates(opcode);
    if (opcode.bytes > 0 || immediates.includes('memory') || immediates.includes('table')) {
      const address = this.#addressType(opcode);
      this.stack.popAll(withAddress(signature.parameters, address));
      this.stack.pushAll(withAddress(signature.results, address));
      return;
    }
    this.stack.popAll(signature.parameters);
    this.stack.pushAll(signature.results);
  }

  #immediates(opcode: Opcode): void {
    const { reader } = this;
    if (opcode.lanes > 0 && reader.lane >= opcode.lanes) invalid('invalid lane index', reader.start, `${reader.lane}`);
    for (const immediate of opcode.immediates) {
      if (immediate === 'lanes' && reader.raw.some((lane) => lane >= LANES_OF_SHUFFLE)) {
        invalid('invalid lane index', reader.start);
      }
      if (immediate === 'data') this.#checkData(reader.index);
      if (immediate === 'element') this.context.elementType(reader.index, reader.start);
    }
  }

  #checkData(index: number): void {
    const { dataCount } = this.context.module;
    const { start } = this.reader;
    if (dataCount === undefined) malformed('data count section required', start);
    if (index >= dataCount) invalid('unknown data segment', start, String(index));
  }

  /** The type of addresses, of the memory or table that an instruction speaks of. */
  #addressType(opcode: Opcode): ValueType {
    const { reader, context } = this;
    if (opcode.bytes > 0) return this.#memarg(opcode);
    const [first] = opcode.immediates;
    const index = first === 'memory' || first === 'table' ? reader.index : reader.index2;
    if (opcode.immediates.includes('memory')) return addressOf(context.memory(index, reader.start));
    const table = context.table(index, reader.start);
    if (first === 'element' && !context.types.matches(context.elementType(reader.index, reader.start), table.element)) {
      this.stack.mismatch(table.element, context.elementType(reader.index, reader.start));
    }
    return addressOf(table);
  }

  #memarg({ bytes, feature, name }: Opcode): ValueType {
    const { reader, context } = this;
    const memory = context.memory(reader.memory, reader.start);
    const natural = Math.log2(bytes);
    if (reader.align > natural) invalid('alignment must not be larger than natural', reader.start, name);
    if (feature === 'threads' && reader.align !== natural) invalid('atomic alignment must be natural', reader.start);
    if (reader.offsetHigh > 0 && !memory.is64) invalid('offset out of range', reader.start);
    return addressOf(memory);
  }

  /** Opens a block. */
  enter(
    kind: Parameters<ValidationStack['enter']>[0],
    parameters: readonly ValueType[],
    results: readonly ValueType[],
  ): void {
    this.stack.enter(kind, parameters, results, this.locals.given);
  }

  /** Closes a block: what was initialised only within it is not, afterwards. */
  leave(): ReturnType<ValidationStack['leave']> {
    const frame = this.stack.leave();
    this.locals.forget(frame.initialised);
    return frame;
  }

  /** The type of the block that begins here. */
  blockType(): FunctionType {
    const { blockType, start } = this.reader;
    if ('index' in blockType) return this.context.types.at(blockType.index, start);
    if (blockType.result === undefined) return NOTHING;
    this.context.checkValueType(blockType.result, start);
    return { parameters: [], results: [blockType.result] };
  }

  /** The type of the local that the instruction names. */
  local(): ValueType {
    const { index, start } = this.reader;
    return this.locals.typeOf(index) ?? invalid('unknown local', start, String(index));
  }
}

const NOTHING: FunctionType = { parameters: [], results: [] };

function withAddress(types: readonly ValueType[], address: ValueType): readonly ValueType[] {
  return types.includes(ADDRESS) ? types.map((type) => (type === ADDRESS ? address : type)) : types;
}

import { br } from '../assembler.ts';
import { operation, type Operation } from '../handler.ts';

/**
 * Instructions that the core leaves for: JavaScript does them (machine/system.ts), either because only it can, or
 * because they are too rare to be worth a handler. A value's registers are named as in the other operations.
 */
const FIELDS: Readonly<Record<string, string>> = {
  /** The end of a call from JavaScript. */
  halt: '',
  /** The stub of a function that is not lowered yet. */
  lower: 'record:i32',
  /** The stub of a function of the host. */
  host: 'record:i32',
  /** The stub by which an instance calls a function of another; and where that one returns to. */
  cross: 'record:i32 positions:i32',
  crossBack: 'record:i32',
  /** A breakpoint: stands in place of an instruction's opcode. */
  break: '',
  unreachable: '',
  'memory.grow': 'd:reg n:reg memory:u16',
  'memory.init': 'a:reg b:reg n:reg segment:i32 memory:u16',
  'data.drop': 'segment:i32',
  'memory.copy:between': 'a:reg b:reg n:reg memory:u16 source:u16',
  'table.get': 'd:reg index:reg table:i32',
  'table.set': 'index:reg v:reg table:i32',
  'table.size': 'd:reg table:i32',
  'table.grow': 'd:reg v:reg n:reg table:i32',
  'table.fill': 'a:reg v:reg n:reg table:i32',
  'table.copy': 'a:reg b:reg n:reg table:i32 source:i32',
  'table.init': 'a:reg b:reg n:reg segment:i32 table:i32',
  'elem.drop': 'segment:i32',
  'memory.atomic.notify': 'd:reg a:reg v:reg offset:i32 memory:u16',
  'memory.atomic.wait32': 'd:reg a:reg v:reg w:reg offset:i32 memory:u16',
  'memory.atomic.wait64': 'd:reg a:reg v:reg w:reg offset:i32 memory:u16',
  /** An address with memory64 whose offset takes more than 32 bits: d = a + offset, or the largest address. */
  'address:far': 'd:reg a:reg offset:i64',
  'ref.as_non_null': 'a:reg',
  /** The payload lies in the frame from `base` on. */
  throw: 'tag:i32 base:u16',
  throw_ref: 'a:reg',
  /** Calls that leave their frame: arguments from `base` on, `size` bytes of them. */
  return_call: 'callee:i32 base:u16 size:u16 header:u16 positions:i32',
  return_call_indirect: 'index:reg base:u16 size:u16 header:u16 table:i32 typeInstance:i64 positions:i32',
  return_call_ref: 'callee:reg base:u16 size:u16 header:u16 typeInstance:i64 positions:i32',
};

export const SYSTEM: readonly Operation[] = Object.entries(FIELDS).map(([name, fields]) =>
  operation(name, 'system', fields, (handler) => br(handler.labels.system)),
);

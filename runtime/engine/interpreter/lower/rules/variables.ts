import type { Lowering } from '../function.ts';
import { type Operand, registerOf, widthOf } from '../values.ts';

function assign({ encoder, stack }: Lowering, value: Operand, slot: number): void {
  stack.preserve(slot);
  const computed = value.slot === value.home && encoder.redirect(registerOf(value.home), registerOf(slot));
  if (!computed) stack.compute(value, slot);
}

function localOf({ locals, reader }: Lowering) {
  const local = locals[reader.index];
  if (local === undefined) throw new RangeError(`there is no local ${reader.index}`);
  return local;
}

function select(lowering: Lowering): void {
  const width = widthOf(lowering.stack.peek(1)?.type ?? 0);
  const type = lowering.stack.peek(1)?.type ?? 0;
  const [a = 0, b = 0, c = 0] = lowering.take(3);
  lowering.encoder.emit(`select:${width}`, lowering.push(type), a, b, c);
}

export const VARIABLE_RULES: readonly (readonly [string, (lowering: Lowering) => void])[] = [
  ['drop', ({ stack }) => void stack.pop()],
  ['select', select],
  ['select_typed', select],
  [
    'local.get',
    (lowering) => {
      const { type, slot } = localOf(lowering);
      lowering.stack.pushLocal(type, slot);
    },
  ],
  ['local.set', (lowering) => assign(lowering, lowering.stack.pop(), localOf(lowering).slot)],
  [
    'local.tee',
    (lowering) => {
      const { type, slot } = localOf(lowering);
      const value = lowering.stack.pop();
      assign(lowering, value, slot);
      if (value.constant === undefined) lowering.stack.pushLocal(type, slot);
      else lowering.stack.pushConstant(type, value.constant);
    },
  ],
  [
    'global.get',
    (lowering) => {
      const { module, reader, addresses, encoder } = lowering;
      const type = module.globals[reader.index]?.type.type ?? 0;
      encoder.emit(`global.get:${widthOf(type)}`, lowering.push(type), addresses.global(reader.index));
    },
  ],
  [
    'global.set',
    (lowering) => {
      const { stack, reader, addresses, encoder } = lowering;
      const value = stack.pop();
      encoder.emit(`global.set:${widthOf(value.type)}`, stack.use(value), addresses.global(reader.index));
    },
  ],
];

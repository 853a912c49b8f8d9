import { EXNREF, type ValueType } from '../../../../wasm/types.ts';
import { newTarget } from '../encoder.ts';
import type { Lowering } from '../function.ts';
import type { Label, ProtectedRange } from '../labels.ts';
import { registerOf } from '../values.ts';
import { close } from './control.ts';

const payloadOf = (lowering: Lowering, tag: number): readonly ValueType[] =>
  lowering.typeAt(lowering.module.tags[tag]?.type ?? -1).parameters;

/** Opens a block whose code is protected from here on. */
function openProtected(lowering: Lowering, kind: 'try' | 'try_table'): { label: Label; range: ProtectedRange } {
  const label = lowering.open(kind, lowering.blockType(lowering.reader.blockType));
  const depth = lowering.labels.length - 1;
  const range: ProtectedRange = { start: lowering.encoder.length, end: -1, depth, handlers: [], delegate: undefined };
  label.range = range;
  lowering.ranges.push(range);
  return { label, range };
}

function tryTable(lowering: Lowering): void {
  const { catches } = lowering.reader;
  const labels = catches.map(({ label }) => lowering.labelAt(label));
  const { label: own, range } = openProtected(lowering, 'try_table');
  for (const [index, { kind, tag }] of catches.entries()) {
    const label = labels[index];
    if (label === undefined) continue;
    label.awaited = true;
    const target = newTarget();
    const withReference = kind === 'catch_ref' || kind === 'catch_all_ref';
    const payload = tag === undefined ? [] : payloadOf(lowering, tag);
    const home = own.home;
    range.handlers.push({
      tag: tag === undefined ? undefined : lowering.addresses.tag(tag),
      target,
      slot: home,
      reference: withReference ? 'behind' : 'none',
    });
    lowering.landings.push({ target, types: withReference ? [...payload, EXNREF] : payload, home, label });
    lowering.stack.reserve(home, withReference ? [...payload, EXNREF] : payload);
  }
}

/** `catch` and `catch_all` of legacy exceptions: the exception is kept below its payload, for rethrow. */
function legacyCatch(lowering: Lowering, tag: number | undefined): void {
  const { encoder, stack } = lowering;
  const label = lowering.labels.at(-1);
  const range = label?.range;
  if (label === undefined || range === undefined) return;
  if (label.kind === 'try') range.end = encoder.length;
  if (lowering.dead < 0) lowering.branch(label);
  lowering.dead = -1;
  label.kind = 'catch';
  stack.cut(label.height);
  const target = newTarget();
  encoder.bind(target);
  const address = tag === undefined ? undefined : lowering.addresses.tag(tag);
  range.handlers.push({ tag: address, target, slot: label.home, reference: 'before' });
  stack.pushHome(EXNREF);
  stack.pushAll(tag === undefined ? [] : payloadOf(lowering, tag));
}

function delegate(lowering: Lowering): void {
  const { labels, reader } = lowering;
  const range = labels.at(-1)?.range;
  // The try itself is not counted.
  if (range !== undefined) range.delegate = labels.length - 2 - reader.index;
  close(lowering);
}

function throwTag(lowering: Lowering): void {
  const { encoder, reader, addresses } = lowering;
  const tag = reader.index;
  const base = lowering.takeArguments(payloadOf(lowering, tag));
  encoder.emit('throw', addresses.tag(tag), base);
  lowering.die();
}

export const EXCEPTION_RULES: readonly (readonly [string, (lowering: Lowering) => void])[] = [
  ['try_table', tryTable],
  ['try', (lowering) => void openProtected(lowering, 'try')],
  ['catch', (lowering) => legacyCatch(lowering, lowering.reader.index)],
  ['catch_all', (lowering) => legacyCatch(lowering, undefined)],
  ['delegate', delegate],
  ['throw', throwTag],
  [
    'throw_ref',
    (lowering) => {
      lowering.encoder.emit('throw_ref', lowering.stack.use(lowering.stack.pop()));
      lowering.die();
    },
  ],
  [
    'rethrow',
    (lowering) => {
      lowering.encoder.emit('throw_ref', registerOf(lowering.labelAt(lowering.reader.index).home));
      lowering.die();
    },
  ],
];

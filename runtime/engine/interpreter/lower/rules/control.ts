import { newTarget, type Target } from '../encoder.ts';
import type { Lowering } from '../function.ts';
import { negated } from '../comparisons.ts';
import { branchTypes, type Label } from '../labels.ts';
import type { Operand } from '../values.ts';

/** Branches to the target when the value is not 0; or with `negate`, when it is. */
export function branchOn({ encoder, stack }: Lowering, condition: Operand, target: Target, negate: boolean): void {
  const { pending } = condition;
  const inverse = pending === undefined ? undefined : negated(pending.operation);
  if (pending === undefined || inverse === undefined) {
    encoder.emitBranch(`br:i32.${negate ? 'eq' : 'ne'}:i`, target, stack.use(condition), 0);
    return;
  }
  const { operation, a, b } = pending;
  const right = typeof b === 'number' ? b : stack.use(b);
  encoder.emitBranch(`br:${negate ? inverse : operation}`, target, stack.use(a), right);
}

/** A branch that may not be taken. The values that it takes along are the topmost, and stay. */
export function conditionalBranch(lowering: Lowering, condition: Operand, label: Label, negate = false): void {
  const { encoder, stack } = lowering;
  // What only the branch takes must not be known to be anywhere when it is not taken: so all is settled before.
  if (label.kind === 'function') for (const operand of stack.top(label.results.length)) stack.settle(operand);
  if (label.kind !== 'function' && lowering.inPlace(label)) {
    branchOn(lowering, condition, label.target, negate);
    return;
  }
  const skip = newTarget();
  branchOn(lowering, condition, skip, !negate);
  lowering.branch(label);
  encoder.bind(skip);
}

function brTable(lowering: Lowering): void {
  const { encoder, reader, stack } = lowering;
  const index = stack.use(stack.pop());
  const depths = reader.labels;
  const first = lowering.labelAt(depths[0] ?? 0);
  for (const operand of stack.top(branchTypes(first).length)) stack.settle(operand);
  const stubs = new Map<Label, Target>();
  const targets = depths.map((depth) => {
    const label = lowering.labelAt(depth);
    if (label.kind !== 'function' && lowering.inPlace(label)) return label.target;
    const stub = stubs.get(label) ?? newTarget();
    stubs.set(label, stub);
    return stub;
  });
  encoder.emitTable(index, targets);
  for (const [label, stub] of stubs) {
    encoder.bind(stub);
    lowering.branch(label);
  }
  lowering.die();
}

function openIf(lowering: Lowering): void {
  const condition = lowering.stack.pop();
  const { otherwise } = lowering.open('if', lowering.blockType(lowering.reader.blockType));
  if (otherwise !== undefined) branchOn(lowering, condition, otherwise, true);
}

function openElse(lowering: Lowering): void {
  const { encoder, labels, stack } = lowering;
  const label = labels.at(-1);
  if (label?.otherwise === undefined) return;
  if (lowering.dead < 0) lowering.branch(label);
  lowering.dead = -1;
  label.kind = 'else';
  stack.cut(label.height);
  encoder.bind(label.otherwise);
  stack.pushAll(label.parameters);
}

/** Ends the innermost block, at `end` or `delegate`. */
export function close(lowering: Lowering): void {
  const { encoder, labels } = lowering;
  const label = labels.pop();
  if (label === undefined) return;
  if (label.range?.end === -1) label.range.end = encoder.length;
  const live = lowering.dead < 0;
  if (label.kind === 'function') {
    if (live) lowering.return();
  } else if (isJoined(label)) join(lowering, label, live);
  else if (live && label.kind === 'catch') {
    // Its values are above the exception that it keeps.
    join(lowering, label, live);
  } else if (!live) {
    // Nothing comes here: neither a branch nor what falls through.
    lowering.stack.cut(label.height);
  }
}

/** Whether anything comes to a block's end but what falls through. */
const isJoined = ({ kind, awaited, target }: Label): boolean =>
  kind === 'if' || (kind !== 'loop' && (awaited || target.edges.length > 0));

/** From wherever it comes, the results are in the same place. */
function join(lowering: Lowering, label: Label, live: boolean): void {
  const { encoder, stack } = lowering;
  if (live && !lowering.inPlace(label)) lowering.moveTo(label);
  lowering.dead = -1;
  stack.cut(label.height);
  encoder.bind(label.target);
  if (label.kind === 'if' && label.otherwise !== undefined) encoder.bind(label.otherwise);
  stack.pushAll(label.results);
}

export const CONTROL_RULES: readonly (readonly [string, (lowering: Lowering) => void])[] = [
  ['nop', () => undefined],
  ['block', (lowering) => void lowering.open('block', lowering.blockType(lowering.reader.blockType))],
  [
    'loop',
    (lowering) => {
      const { target } = lowering.open('loop', lowering.blockType(lowering.reader.blockType));
      lowering.encoder.bind(target);
    },
  ],
  ['if', openIf],
  ['else', openElse],
  ['end', close],
  [
    'br',
    (lowering) => {
      lowering.branch(lowering.labelAt(lowering.reader.index));
      lowering.die();
    },
  ],
  [
    'br_if',
    (lowering) => {
      conditionalBranch(lowering, lowering.stack.pop(), lowering.labelAt(lowering.reader.index));
    },
  ],
  ['br_table', brTable],
  [
    'return',
    (lowering) => {
      lowering.return();
      lowering.die();
    },
  ],
  [
    'unreachable',
    (lowering) => {
      lowering.encoder.emit('unreachable');
      lowering.die();
    },
  ],
];

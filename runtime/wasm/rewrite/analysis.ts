import { InstructionReader } from '../instructions.ts';
import type { FunctionBody, Module } from '../module.ts';
import { opcodeByName } from '../opcodes.ts';
import type { Opcode } from '../opcodes/opcode.ts';
import { cyclicNodes } from './cycles.ts';

/**
 * How many instructions may run between two checks, in straight-line code and the calls in it. At a nanosecond each
 * that is 10 µs; nested calls of functions just below the bound, and returns from deep recursion, add to it.
 */
export const BUDGET = 10_000;
/** What an unknown callee counts: one of a host's, or of an indirect call. */
const UNKNOWN_CALL = BUDGET / 8;

/** What the emitter has to know of all functions before it writes the first. */
export interface Analysis {
  /**
   * By function index: how much a call adds to the distance from the last check, 1 to BUDGET. Beyond it the function
   * has checks of its own.
   */
  readonly weights: Float64Array;
  /** Whether calls of a function may lead back to the caller: the functions of its cycle, by a number; 0: none. */
  readonly cycles: Int32Array;
}

interface Facts {
  readonly instructions: number;
  readonly calls: readonly number[];
  readonly indirect: number;
}

/**
 * Which calls need a check before them. A guest that never ends must pass through a loop or through recursion without
 * end: loops have a check at their header, and each call that may lead back to its caller (directly within a cycle of
 * the call graph, or indirectly, through a table or a reference) has one before it. All other calls end by themselves,
 * and are weighed so that long ones get checks too.
 */
export function analyse(module: Module): Analysis {
  const imported = module.imported.function;
  const facts = module.bodies.map((body) => factsOf(module.bytes, body));
  const calls = [...new Array<readonly number[]>(imported).fill([]), ...facts.map((fact) => fact.calls)];
  const { cycles, calleesFirst } = cyclicNodes(calls);
  const weights = new Float64Array(calls.length).fill(UNKNOWN_CALL);
  for (const index of calleesFirst) {
    const fact = facts[index - imported];
    if (fact === undefined) continue;
    const cycle = cycles[index];
    const callees = fact.calls.filter((callee) => cycle === 0 || cycles[callee] !== cycle);
    const called = callees.reduce((sum, callee) => sum + (weights[callee] ?? 0), 0);
    weights[index] = Math.min(BUDGET, fact.instructions + called + fact.indirect * UNKNOWN_CALL);
  }
  return { weights, cycles };
}

function factsOf(bytes: Uint8Array, { codeStart, end }: FunctionBody): Facts {
  const reader = new InstructionReader(bytes, codeStart, end);
  const calls: number[] = [];
  let instructions = 0;
  let indirect = 0;
  while (!reader.atEnd) {
    const kind = callKind(reader.next());
    instructions++;
    if (kind === 'direct') calls.push(reader.index);
    else if (kind === 'indirect') indirect++;
  }
  return { instructions, calls, indirect };
}

const codes = (...names: string[]): ReadonlySet<number> => new Set(names.map((name) => opcodeByName(name).code));
const DIRECT = codes('call', 'return_call');
const INDIRECT = codes('call_indirect', 'return_call_indirect', 'call_ref', 'return_call_ref');

/** How an instruction calls, if it does. */
export function callKind({ code }: Opcode): 'direct' | 'indirect' | undefined {
  if (DIRECT.has(code)) return 'direct';
  return INDIRECT.has(code) ? 'indirect' : undefined;
}

/** What a call adds to the distance from the last check. */
export function weightOfCall({ weights }: Analysis, kind: 'direct' | 'indirect', callee: number): number {
  return kind === 'indirect' ? UNKNOWN_CALL : (weights[callee] ?? UNKNOWN_CALL);
}

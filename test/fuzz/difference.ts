import { webAssembly } from '../../runtime/engine/interpreter/api.ts';
import { InstructionReader } from '../../runtime/wasm/instructions.ts';
import { ModuleError } from '../../runtime/wasm/module-error.ts';
import type { Module } from '../../runtime/wasm/module.ts';
import { randomFrom } from '../../runtime/wasm/test-random.ts';
import { loadModule } from '../../runtime/wasm/validate.ts';
import { type SpecEngine, v8 } from '../spec/engine.ts';
import { exportName, withExports, type Wanted } from './exports.ts';
import { type Random, withOtherInstructions } from './modules.ts';
import { INCOMPARABLE, isCallable, observe, type Plan, planCall } from './observe.ts';

/** What came of a number of modules. */
export interface Tally {
  modules: number;
  /** Calls whose outcome was the same on both engines. */
  executions: number;
  /** Of them, those that trapped. */
  traps: number;
  /** Refused by both engines alike. */
  refused: number;
  /** What was not: which module, and how. */
  readonly differences: string[];
}

export const newTally = (): Tally => ({ modules: 0, executions: 0, traps: 0, refused: 0, differences: [] });

/** Fuel of a module's calls together: a mutated program may not end by itself. */
const FUEL = 500_000;
/** Calls of a mutated program. */
const CALLS = 60;
/** Calls of each function that wasm-smith has made. */
const ROUNDS = 16;
/** A realm keeps what it has made. */
const MODULES_OF_REALM = 50;

/** The interpreter, with a new realm now and then. */
class Interpreters {
  #engine: SpecEngine | undefined;
  #realm: ReturnType<typeof webAssembly>['realm'] | undefined;
  #used = 0;

  next(): SpecEngine {
    if (this.#engine === undefined || this.#used++ % MODULES_OF_REALM === 0) {
      const { realm, ...api } = webAssembly();
      this.#engine = { ...api, name: 'interpreter' };
      this.#realm = realm;
    }
    this.#realm?.limitFuel(FUEL);
    return this.#engine;
  }
}

/** Runs modules on both engines, and notes where they differ. */
export class Difference {
  readonly tally = newTally();
  readonly #interpreters = new Interpreters();

  /** A module of wasm-smith's. */
  smith(bytes: Uint8Array<ArrayBuffer>, seed: number): void {
    const decoded = loadModule(bytes);
    if (waits(decoded)) return;
    const refill = { kind: 'global', index: decoded.globals.length - 1 } as const;
    const exporting = withExports(decoded, [refill]);
    const module = loadModule(exporting);
    const random = randomFrom(seed);
    const functions = module.exports.filter(({ kind }) => kind === 'function');
    const calls = Array.from({ length: ROUNDS }, () => functions)
      .flat()
      .flatMap(({ name, index }) => callOf(module, name, index, random));
    this.#compare(
      { bytes: exporting, module, calls, refill: { name: exportName(refill), amount: 1000 } },
      `smith ${seed}`,
    );
  }

  /** A real module, mutated. */
  mutated(original: Module, seed: number): void {
    const random = randomFrom(seed);
    const mutation = withOtherInstructions(original, random);
    const ours = verdict(mutation);
    if ((typeof ours !== 'string') !== WebAssembly.validate(mutation)) {
      this.tally.differences.push(`mutation ${seed}: we say ${typeof ours === 'string' ? ours : 'valid'}, V8 does not`);
    }
    if (typeof ours === 'string') {
      this.tally.refused++;
      return;
    }
    const chosen = Array.from({ length: CALLS }, () => ours.imported.function + random(ours.bodies.length));
    const wanted: Wanted[] = [...new Set(chosen)].map((index) => ({ kind: 'function', index }));
    for (const index of ours.globals.keys()) wanted.push({ kind: 'global', index });
    for (const index of ours.memories.keys()) wanted.push({ kind: 'memory', index });
    const bytes = withExports(ours, wanted);
    const module = loadModule(bytes);
    const calls = chosen.flatMap((index) => callOf(module, exportName({ kind: 'function', index }), index, random));
    this.#compare({ bytes, module, calls }, `mutation ${seed}`);
  }

  #compare(plan: Plan, name: string): void {
    const { tally } = this;
    tally.modules++;
    const ours = observe(this.#interpreters.next(), plan);
    const stopped = INCOMPARABLE.has(ours.outcomes.at(-1)?.split(' ')[0] ?? '') || ours.state.length === 0;
    const theirs = observe(v8, plan, stopped ? ours.outcomes.length - 1 : Infinity);
    for (const [index, outcome] of theirs.outcomes.entries()) {
      const own = ours.outcomes[index];
      if (INCOMPARABLE.has(outcome) || INCOMPARABLE.has(own ?? '')) return;
      if (own !== outcome) {
        tally.differences.push(
          `${name}, call ${index - 1} of ${plan.calls[index - 1]?.name}: ${own}, on V8 ${outcome}`,
        );
        return;
      }
      tally.executions++;
      if (outcome.startsWith('trap')) tally.traps++;
    }
    if (!stopped && ours.state.join('\n') !== theirs.state.join('\n')) {
      tally.differences.push(`${name}: state ${ours.state.join('; ')}, on V8 ${theirs.state.join('; ')}`);
    }
  }
}

function callOf(module: Module, name: string, index: number, random: Random): Plan['calls'][number][] {
  const type = module.types[module.functions[index]?.type ?? -1];
  return type !== undefined && isCallable(type) ? [planCall(name, type, random)] : [];
}

function verdict(bytes: Uint8Array): Module | string {
  try {
    return loadModule(bytes);
  } catch (error) {
    if (error instanceof ModuleError) return error.message;
    throw error;
  }
}

/** Whether a module may wait for a word of shared memory: nobody would wake it. */
function waits({ bytes, bodies }: Module): boolean {
  return bodies.some(({ codeStart, end }) => {
    const reader = new InstructionReader(bytes, codeStart, end);
    while (!reader.atEnd) if (reader.next().name.startsWith('memory.atomic.wait')) return true;
    return false;
  });
}

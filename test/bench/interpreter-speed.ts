import { WasmletError } from '../../base/errors.ts';
import type { Benchmark } from './benchmark.ts';
import type { Figure, FigureName } from './figures.ts';
import { buildKernels, KERNELS } from './interpreter/kernels.ts';
import { ENGINE_NAMES, type EngineName, Peer } from './interpreter/peers.ts';
import type { Report } from './stage.ts';
import { geometricMean } from './statistics.ts';

/** Turns of all engines: the best of each counts, so that what else the machine does falls on nobody. */
const TURNS = 40;

const FIGURES_OF: Partial<Record<EngineName, FigureName>> = {
  wazero: 'interpreter.vsWazero',
  wasmi: 'interpreter.vsWasmi',
  'wasmi with fuel': 'interpreter.vsWasmiFuel',
  wasmtime: 'interpreter.vsWasmtime',
  v8: 'interpreter.vsV8',
};

/** Best nanoseconds of each kernel, by engine. */
type Best = ReadonlyMap<EngineName, ReadonlyMap<string, number>>;

/** The interpreter, with fuel, beside others: all run the same module and must come to the same results. */
export const interpreterSpeed: Benchmark = {
  name: 'interpreter.vs',
  figures: Object.values(FIGURES_OF),
  async run(_open, report) {
    const module = await buildKernels();
    using stack = new DisposableStack();
    const peers: Peer[] = [];
    for (const name of ENGINE_NAMES) peers.push(stack.use(await Peer.start(name, module)));
    return figuresOf(await race(peers, report), report);
  },
};

async function race(peers: readonly Peer[], report: Report): Promise<Best> {
  const best = new Map(peers.map(({ name }) => [name, new Map<string, number>()]));
  const kernels = Object.values(KERNELS).flatMap((of) => Object.entries(of));
  report(`${kernels.length} kernels, ${TURNS} turns`);
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [kernel, rounds] of kernels) await takeTurn(peers, { kernel, rounds }, best);
  }
  return best;
}

async function takeTurn(
  peers: readonly Peer[],
  { kernel, rounds }: { kernel: string; rounds: number },
  best: ReadonlyMap<EngineName, Map<string, number>>,
): Promise<void> {
  const results = new Set<number>();
  for (const peer of peers) {
    const { result, nanoseconds } = await peer.run(kernel, rounds);
    results.add(result);
    const times = best.get(peer.name);
    times?.set(kernel, Math.min(times.get(kernel) ?? Infinity, nanoseconds));
  }
  if (results.size !== 1)
    throw new WasmletError('Internal', `${kernel} gives different results: ${[...results].join()}`);
}

function figuresOf(best: Best, report: Report): Figure[] {
  for (const [kind, kernels] of Object.entries(KERNELS)) {
    report(kind);
    for (const kernel of Object.keys(kernels)) report(`  ${kernel}: ${timesOf(best, kernel)}`);
  }
  const kernels = [...(best.get('interpreter')?.keys() ?? [])];
  return Object.entries(FIGURES_OF).map(([engine, name]) => ({
    name,
    value: geometricMean(kernels.map((kernel) => ratio(best, engine as EngineName, kernel))),
  }));
}

const nanosecondsOf = (best: Best, engine: EngineName, kernel: string): number => best.get(engine)?.get(kernel) ?? NaN;

/** How many times as long another engine takes. */
const ratio = (best: Best, engine: EngineName, kernel: string): number =>
  nanosecondsOf(best, engine, kernel) / nanosecondsOf(best, 'interpreter', kernel);

function timesOf(best: Best, kernel: string): string {
  const own = `${(nanosecondsOf(best, 'interpreter', kernel) / 1e6).toFixed(2)} ms`;
  const others = Object.keys(FIGURES_OF).map((engine) => {
    const times = ratio(best, engine as EngineName, kernel);
    return `${engine} ${times < 0.1 ? times.toFixed(3) : times.toFixed(2)}`;
  });
  return [own, ...others].join(', ');
}
